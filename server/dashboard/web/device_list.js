// What the list of devices asks the hub: a page at a time by queries, or, for those who may not query, the first devices.

const COLUMNS =
  'deviceId, status, statusReason, connectionState, lastActivityTime, authenticationType, capabilities, modelId';
export const LIST_MAX = 1000; // of GET /devices
const ASKS_MAX = 50; // for one page: a page of the hub may end early where few rows match

export const STATES = {
  all: ['All', ''],
  connected: ['Connected', "connectionState = 'Connected'"],
  disconnected: ['Not connected', "connectionState = 'Disconnected'"],
  disabled: ['Disabled', "status = 'disabled'"],
  edge: ['Edge devices', 'capabilities.iotEdge = true'],
};

const quoted = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

export function conditionOf({ prefix, state, condition }) {
  const parts = [];
  if (prefix) parts.push(`STARTSWITH(deviceId, ${quoted(prefix)})`);
  if (STATES[state]?.[1]) parts.push(STATES[state][1]);
  if (condition.trim()) parts.push(`(${condition.trim()})`);
  return parts.length > 0 ? ` WHERE ${parts.join(' AND ')}` : '';
}

// {items, token, total}: token leads to the page behind, null on the last one; total is there where it is known.
export async function readPage(api, wanted, signal) {
  if (api.session.lacks('ServiceConnect')) return readList(api, wanted, signal);
  const query = `SELECT ${COLUMNS} FROM devices${conditionOf(wanted)}`;
  const items = [];
  let token = wanted.tokens[wanted.index];
  for (let asks = 0; asks < ASKS_MAX; ++asks) {
    const headers = { 'x-ms-max-item-count': String(wanted.size - items.length) };
    if (token) headers['x-ms-continuation'] = token;
    const options = { body: { query }, headers, needs: 'ServiceConnect', signal };
    const answer = await api.ask('list the devices', 'POST', '/devices/query', options);
    items.push(...answer.json);
    token = answer.headers.get('x-ms-continuation');
    if (!token || items.length >= wanted.size) break;
  }
  return { items, token };
}

// Without queries only ids can be looked through.
async function readList(api, wanted, signal) {
  const options = { query: { top: LIST_MAX }, needs: 'RegistryRead', signal };
  const answer = await api.ask('list the devices', 'GET', '/devices', options);
  const items = answer.json
    .filter((item) => item.deviceId.startsWith(wanted.prefix))
    .map((item) => ({ ...item, authenticationType: item.authentication?.type }));
  const begin = wanted.index * wanted.size;
  const end = begin + wanted.size;
  return { items: items.slice(begin, end), token: end < items.length ? 'more' : null, total: items.length };
}

// How many devices are like that; null for those who may not query.
export async function countDevices(api, wanted, signal) {
  if (api.session.lacks('ServiceConnect')) return null;
  const options = {
    body: { query: `SELECT COUNT() AS n FROM devices${conditionOf(wanted)}` },
    needs: 'ServiceConnect',
    signal,
  };
  const answer = await api.ask('count the devices', 'POST', '/devices/query', options);
  return answer.json[0]?.n ?? 0;
}
