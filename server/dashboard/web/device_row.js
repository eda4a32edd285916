// One row of the list of devices, which changes with the device.

import { address } from './address.js';
import { fill, h, setText } from './dom.js';
import { ago, fullTime } from './format.js';
import { badge, stateDot } from './ui.js';

const AUTHENTICATION = { sas: 'Keys', selfSigned: 'X.509 thumbprint', certificateAuthority: 'X.509 CA', none: 'None' };

// `list`: session; whyNot, why nothing may be changed, else null; isSelected(id), select(id, isOn), change(button, id, status).
export function makeDeviceRow(list, item) {
  const id = item.deviceId;
  const tick = h('input', {
    type: 'checkbox',
    'aria-label': `Select ${id}`,
    onchange: () => list.select(id, tick.checked),
  });
  const cells = {
    connection: h('td', { class: 'dots' }),
    activity: h('td', { class: 'wide' }),
    status: h('td'),
    kind: h('td', { class: 'wide' }),
  };
  const change = h('button', {
    type: 'button',
    class: 'small ghost',
    disabled: Boolean(list.whyNot),
    title: list.whyNot,
  });
  let now = item;
  change.addEventListener('click', () => list.change(change, id, now.status === 'enabled' ? 'disabled' : 'enabled'));
  const name = h('a', { href: address('device', id), class: 'mono id' }, id);
  const extra = h('span');
  const shown = {};
  return {
    element: h(
      'tr',
      {},
      h('td', { class: 'tick' }, list.whyNot ? null : tick),
      h('td', { class: 'id-cell' }, name, extra),
      cells.connection,
      cells.activity,
      cells.status,
      cells.kind,
      h('td', { class: 'wide actions' }, change),
    ),
    update(item) {
      now = item;
      tick.checked = list.isSelected(id);
      const once = (name, value, draw) => {
        if (shown[name] === value) return;
        shown[name] = value;
        draw();
      };
      const isOn = item.connectionState === 'Connected';
      once('connection', isOn, () => fill(cells.connection, stateDot(isOn, isOn ? 'Connected' : 'Not connected')));
      setText(cells.activity, ago(item.lastActivityTime, list.session.now()));
      cells.activity.title = fullTime(item.lastActivityTime);
      once('status', `${item.status} ${item.statusReason ?? ''}`, () =>
        fill(
          cells.status,
          item.status === 'enabled' ? h('span', {}, 'Enabled') : badge('Disabled', 'warning'),
          item.statusReason ? h('small', { class: 'quiet block' }, item.statusReason) : null,
        ),
      );
      once('kind', item.authenticationType, () =>
        setText(cells.kind, AUTHENTICATION[item.authenticationType] ?? item.authenticationType ?? ''),
      );
      once('extra', `${item.capabilities?.iotEdge} ${item.modelId ?? ''}`, () =>
        fill(
          extra,
          item.capabilities?.iotEdge ? badge('Edge') : null,
          item.modelId ? h('small', { class: 'quiet block mono' }, item.modelId) : null,
        ),
      );
      setText(change, item.status === 'enabled' ? 'Disable' : 'Enable');
      change.setAttribute('aria-label', `${change.textContent} ${id}`);
    },
  };
}
