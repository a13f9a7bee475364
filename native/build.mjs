/** `npm run build`, after TypeScript: each native part that this machine can build; what it cannot is named with its reason. */
