/** `warren genkey` and rathole's `warren --genkey`: a key pair for the noise transport. */
import { existsSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { generateNoiseKeys, type NoiseKeyPair } from '../credentials/noise-keys.ts';
import { errorText } from '../errors.ts';
import type { GenkeyArguments } from './arguments.ts';
import { EXIT_OK, EXIT_OUTPUT } from './exit-codes.ts';
import { print } from './output.ts';

interface Texts {
  readonly privateKey: string;
  readonly publicKey: string;
}

interface Files {
  readonly privateKeyFile: string;
  readonly publicKeyFile: string;
}

/** Prints a new pair, or where it was written; 1 when it could not be. */
export async function genkey({ json, out, force }: GenkeyArguments): Promise<number> {
  const keys = base64Of(generateNoiseKeys());
  let files: Files | undefined;
  if (out !== undefined) {
    files = { privateKeyFile: `${out}.key`, publicKeyFile: `${out}.pub` };
    const fault = writePair(files, keys, force);
    if (fault !== undefined) {
      process.stderr.write(`warren: ${fault}\n`);
      return EXIT_OUTPUT;
    }
  }
  const text = json ? jsonText(keys, files) : plainText(keys, files);
  return (await print(text)) ? EXIT_OK : EXIT_OUTPUT;
}

function base64Of({ privateKey, publicKey }: NoiseKeyPair): Texts {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return { privateKey: base64(privateKey), publicKey: base64(publicKey) };
}

/** Without files it is what rathole prints, so that scripts for one work with the other. */
function plainText({ privateKey, publicKey }: Texts, files: Files | undefined): string {
  if (files === undefined) return `Private Key:\n${privateKey}\n\nPublic Key:\n${publicKey}\n`;
  const { privateKeyFile, publicKeyFile } = files;
  return `Private Key: ${privateKeyFile}\nPublic Key: ${publicKeyFile}\n${publicKey}\n`;
}

/** A private key that is in a file is nowhere else. */
function jsonText({ privateKey, publicKey }: Texts, files: Files | undefined): string {
  const secret = files === undefined ? { privateKey } : files;
  return `${JSON.stringify({ curve: 'x25519', ...secret, publicKey })}\n`;
}

/** Both files or none; what went wrong, if anything. */
function writePair(files: Files, keys: Texts, force: boolean): string | undefined {
  const { privateKeyFile, publicKeyFile } = files;
  const taken = [privateKeyFile, publicKeyFile].filter((file) => existsSync(file));
  if (taken.length > 0 && !force) {
    return `${taken.join(' and ')} would be overwritten: take another --out, or add --force`;
  }
  const odd = taken.find((file) => !statSync(file).isFile());
  if (odd !== undefined) return `${odd} is no regular file: take another --out`;
  // Files of their own first: nobody sees half a key, or a private one with the old file's mode.
  const fresh: string[] = [];
  const write = (file: string, text: string, mode: number): void => {
    writeFileSync(freshOf(file), text, { mode, flag: 'wx' });
    fresh.push(freshOf(file));
  };
  try {
    write(privateKeyFile, `${keys.privateKey}\n`, 0o600);
    write(publicKeyFile, `${keys.publicKey}\n`, 0o644);
    for (const file of [privateKeyFile, publicKeyFile]) renameSync(freshOf(file), file);
    return undefined;
  } catch (error) {
    for (const file of fresh) rmSync(file, { force: true });
    return `the keys cannot be written: ${errorText(error)}`;
  }
}

function freshOf(file: string): string {
  return `${file}.${process.pid}.new`;
}
