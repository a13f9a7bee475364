/** What this machine is called in the names of prebuilt engines, which are those of napi-rs. */
import { createRequire } from 'node:module';
import type * as DetectLibc from 'detect-libc';

/** What decides which native code runs here. */
export interface Machine {
  readonly platform: string;
  readonly arch: string;
  /** On Linux. */
  readonly libc: 'glibc' | 'musl' | undefined;
  /** Of the instructions that this Node was built for, on `arm`: `6`, `7` or unknown. */
  readonly armVersion: string | undefined;
}

export interface Platform {
  /** As napi-rs has it: `linux-x64-gnu`. */
  readonly name: string;
  /** What brings the Rust engine for it; undefined where there is none. */
  readonly enginePackage: string | undefined;
}

/** Those with a package of their own. The same are built: `targets` in `native/napi/napi.json`. */
export const PREBUILT: readonly string[] = [
  'linux-x64-gnu',
  'linux-x64-musl',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-arm-gnueabihf',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
  'win32-arm64-msvc',
  'freebsd-x64',
];

export function thisMachine(): Machine {
  const { platform, arch, config } = process;
  const armVersion: unknown = Reflect.get(config.variables, 'arm_version');
  return {
    platform,
    arch,
    libc: platform === 'linux' ? libcHere() : undefined,
    armVersion: typeof armVersion === 'string' ? armVersion : undefined,
  };
}

/** Where neither can be told, also for want of the library, it is glibc or something compatible. */
function libcHere(): 'glibc' | 'musl' {
  try {
    // Loaded when it is needed: `warren check` has no use for it, and it brings child_process.
    const { familySync } = createRequire(import.meta.url)('detect-libc') as typeof DetectLibc;
    return familySync() === 'musl' ? 'musl' : 'glibc';
  } catch {
    return 'glibc';
  }
}

export function platformOf(machine: Machine): Platform {
  const abi = abiOf(machine);
  const name = [machine.platform, machine.arch, ...(abi === undefined ? [] : [abi])].join('-');
  // npm knows only `arm`: on ARMv6 it installs what is made for ARMv7 and would end by SIGILL.
  if (machine.arch === 'arm' && machine.armVersion === '6') {
    return { name: `${name} (ARMv6)`, enginePackage: undefined };
  }
  return {
    name,
    enginePackage: PREBUILT.includes(name) ? `@warren-tunnel/engine-${name}` : undefined,
  };
}

function abiOf({ platform, arch, libc }: Machine): string | undefined {
  if (platform === 'win32') return 'msvc';
  if (platform !== 'linux') return undefined;
  return (libc === 'musl' ? 'musl' : 'gnu') + (arch === 'arm' ? 'eabihf' : '');
}
