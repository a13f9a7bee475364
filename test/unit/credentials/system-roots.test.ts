import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { expect, test } from 'vitest';
import { CredentialError } from '../../../ts/credentials/credential-error.ts';
import { findSystemRoots, systemRoots } from '../../../ts/credentials/system-roots.ts';
import { bundleFile, keyFile, rootFile, roots } from '../../helpers/certificates.ts';

const pem = () => readFileSync(rootFile(), 'utf8');
const nothing = {
  env: {},
  readFile: (path: string) => readFileSync(path),
  bundles: [],
  fromNode: () => undefined,
};
const sorted = (list: readonly Uint8Array[]) =>
  list.map((der) => Buffer.from(der).toString('base64')).toSorted();

test('SSL_CERT_FILE goes before everything', () => {
  const env = { SSL_CERT_FILE: bundleFile() };
  const found = findSystemRoots({
    ...nothing,
    env,
    bundles: [rootFile()],
    fromNode: () => [pem()],
  });
  expect(sorted(found)).toEqual(sorted([...roots('other-ca'), ...roots('ca')]));
});

test('an SSL_CERT_FILE that cannot be used is an error that names it, not another list', () => {
  for (const file of ['/nonexistent.pem', keyFile('ecdsa')]) {
    const run = () => findSystemRoots({ ...nothing, env: { SSL_CERT_FILE: file } });
    expect(run).toThrow(CredentialError);
    expect(run).toThrow(`SSL_CERT_FILE is set to ${file}`);
  }
  expect(findSystemRoots({ ...nothing, env: { SSL_CERT_FILE: '' } }).length).toBeGreaterThan(2);
});

test('then what Node finds, then the first of the usual files that has any, then Mozilla’s', () => {
  const bundles = ['/nonexistent.pem', keyFile('ecdsa'), bundleFile(), rootFile()];
  const byNode = findSystemRoots({ ...nothing, bundles, fromNode: () => [pem()] });
  expect(sorted(byNode)).toEqual(sorted(roots()));
  for (const fromNode of [() => undefined, () => []]) {
    expect(findSystemRoots({ ...nothing, bundles, fromNode })).toHaveLength(2);
  }
  expect(findSystemRoots(nothing)).toHaveLength(rootCertificates.length);
});

test('one damaged certificate does not take the others away', () => {
  const damaged = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  expect(findSystemRoots({ ...nothing, fromNode: () => [damaged, pem()] })).toHaveLength(1);
});

test('this system has some, and they are read once', () => {
  expect(systemRoots().length).toBeGreaterThan(0);
  expect(systemRoots()).toBe(systemRoots());
});
