/** The page that the demo's local service shows. */
export const PAGE = `<!doctype html>
<html lang="en">
<title>warren</title>
<h1>It works</h1>
<p>This page left a service that listens on loopback only, went through a warren client, one
connection to a warren server, and came to you from the server's public address.</p>
</html>
`;
