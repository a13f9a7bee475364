/**
 * Why a certificate, key or archive cannot be used. `fault` and `remedy` are sentences for the
 * operator; neither quotes the file.
 */
export class CredentialError extends Error {
  override readonly name = 'CredentialError';
  readonly remedy: string;

  constructor(fault: string, remedy: string, options?: { cause?: unknown }) {
    super(fault, options);
    this.remedy = remedy;
  }
}
