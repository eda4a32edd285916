// What is done with identities in more than one place.

import { HubError, isUnreachable, segment } from './api.js';

const ID = /^[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}$/;

export const isId = (text) => ID.test(text);

export const identityPath = (device, module) =>
  `/devices/${segment(device)}${module ? `/modules/${segment(module)}` : ''}`;
export const twinPath = (device, module) => `/twins/${segment(device)}${module ? `/modules/${segment(module)}` : ''}`;

export async function readIdentity(api, device, module, signal) {
  return (
    await api.ask(
      `read ${module ? 'the module' : 'the device'} “${module || device}”`,
      'GET',
      identityPath(device, module),
      { needs: 'RegistryRead', signal },
    )
  ).json;
}

export async function writeIdentity(api, what, identity) {
  const { etag, ...body } = identity;
  return (
    await api.ask(what, 'PUT', identityPath(identity.deviceId, identity.moduleId), {
      body,
      headers: { 'If-Match': `"${etag}"` },
      needs: 'RegistryWrite',
    })
  ).json;
}

// Enables or disables a device; everything else stays as it is.
export async function setStatus(api, device, status, reason = null) {
  const identity = await readIdentity(api, device);
  if (identity.status === status) return identity;
  return writeIdentity(api, `${status === 'enabled' ? 'enable' : 'disable'} “${device}”`, {
    ...identity,
    status,
    statusReason: reason,
  });
}

export async function removeIdentity(api, device, module) {
  if (isUnreachable(device) && !module) return removeInBulk(api, device);
  await api.ask(`delete “${module || device}”`, 'DELETE', identityPath(device, module), {
    headers: { 'If-Match': '*' },
    needs: 'RegistryWrite',
  });
}

// By its id in a body, for a device whose id no address can name.
async function removeInBulk(api, device) {
  const what = `delete “${device}”`;
  const { json } = await api.ask(what, 'POST', '/devices', {
    body: [{ id: device, importMode: 'delete' }],
    needs: 'RegistryWrite',
  });
  if (json?.isSuccessful === false) throw new HubError(what, { detail: json.errors?.[0]?.errorStatus ?? '' });
}

export function connectionString(session, identity, which = 'primaryKey') {
  const host = session.status.hostNames?.[0] ?? session.host;
  const module = identity.moduleId ? `;ModuleId=${identity.moduleId}` : '';
  const kind = identity.authentication?.type;
  const credential =
    kind === 'selfSigned' || kind === 'certificateAuthority'
      ? 'x509=true'
      : `SharedAccessKey=${identity.authentication?.symmetricKey?.[which] ?? ''}`;
  return `HostName=${host};DeviceId=${identity.deviceId}${module};${credential}`;
}
