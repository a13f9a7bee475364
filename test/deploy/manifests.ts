/** The Kubernetes manifests of examples/, as far as tests look into them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadAll } from 'js-yaml';

const FOLDER = fileURLToPath(new URL('../../examples/kubernetes/', import.meta.url));

export type Labels = Readonly<Record<string, string>>;

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Labels;
}

export interface ConfigMap {
  readonly kind: 'ConfigMap';
  readonly metadata: Metadata;
  readonly data: Readonly<Record<string, string>>;
}

export interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly ports?: readonly { name: string; containerPort: number; protocol: 'TCP' | 'UDP' }[];
  readonly startupProbe?: { readonly tcpSocket: { readonly port: string } };
  readonly readinessProbe?: unknown;
  readonly livenessProbe?: unknown;
  readonly volumeMounts: readonly { name: string; mountPath: string; subPath?: string }[];
}

interface Source {
  readonly configMap?: { readonly name: string };
  readonly secret?: {
    readonly name: string;
    readonly items: readonly { readonly key: string; readonly path: string }[];
  };
}

export interface Deployment {
  readonly kind: 'Deployment';
  readonly metadata: Metadata;
  readonly spec: {
    readonly replicas: number;
    readonly selector: { readonly matchLabels: Labels };
    readonly template: {
      readonly metadata: { readonly labels: Labels };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly [Container];
        readonly volumes: readonly [{ projected: { sources: readonly Source[] } }];
      };
    };
  };
}

export interface Service {
  readonly kind: 'Service';
  readonly metadata: Metadata;
  readonly spec: {
    readonly selector: Labels;
    readonly ports: readonly { name: string; targetPort: string; protocol: 'TCP' | 'UDP' }[];
  };
}

interface PolicyPort {
  readonly port: string | number;
  readonly protocol: 'TCP' | 'UDP';
}

export interface NetworkPolicy {
  readonly kind: 'NetworkPolicy';
  readonly metadata: Metadata;
  readonly spec: {
    readonly podSelector: { readonly matchLabels: Labels };
    readonly ingress: readonly { readonly ports: readonly PolicyPort[] }[];
    readonly egress: readonly { readonly ports: readonly PolicyPort[] }[];
  };
}

interface Namespace {
  readonly kind: 'Namespace';
  readonly metadata: Metadata;
}

export type Manifest = ConfigMap | Deployment | Service | NetworkPolicy | Namespace;

/** Every object of every file. Their shape is the API server's business; here it is believed. */
export function manifests(): Manifest[] {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
  return files.flatMap((name) => loadAll(readFileSync(join(FOLDER, name), 'utf8')) as Manifest[]);
}

export function manifest<K extends Manifest['kind']>(
  kind: K,
  name: string,
): Extract<Manifest, { kind: K }> {
  const found = manifests().find((it) => it.kind === kind && it.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found as Extract<Manifest, { kind: K }>;
}

export function podOf(deployment: Deployment): Deployment['spec']['template']['spec'] {
  return deployment.spec.template.spec;
}
