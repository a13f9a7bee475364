/** `warren genkey` and rathole's `warren --genkey`: a key pair for the noise transport. */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
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
  try {
    writeNew(privateKeyFile, `${keys.privateKey}\n`, 0o600);
    writeNew(publicKeyFile, `${keys.publicKey}\n`, 0o644);
    return undefined;
  } catch (error) {
    return `the keys cannot be written: ${errorText(error)}`;
  }
}

/** A file of its own first: nobody sees half a key, or a private one with the old file's mode. */
function writeNew(file: string, text: string, mode: number): void {
  const fresh = `${file}.${process.pid}.new`;
  writeFileSync(fresh, text, { mode, flag: 'wx' });
  renameSync(fresh, file);
}
