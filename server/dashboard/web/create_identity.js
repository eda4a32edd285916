// Dialogs that register devices and modules.

import { isUnreachable } from './api.js';
import { fill, h } from './dom.js';
import { identityPath, isId } from './identities.js';
import { attempt, dialog, field, InputError, select } from './ui.js';

function checkId(id, what) {
  if (!id) throw new InputError(`Give the ${what} an id.`);
  if (isUnreachable(id)) throw new InputError(`A browser could not open a ${what} called “${id}”. Choose another id.`);
  if (!isId(id)) throw new InputError("An id has 1 to 128 letters, digits and - : . + % _ # * ? ! ( ) , = @ ; $ '");
}

// The parts of a form that say how an identity proves itself.
function authenticationFields() {
  const kind = select(
    [
      ['sas', 'Keys that the hub makes'],
      ['own', 'Keys of your own'],
      ['selfSigned', 'X.509, by thumbprint'],
      ['certificateAuthority', 'X.509, by a CA that the hub knows'],
    ],
    'sas',
  );
  const first = h('input', { class: 'mono', autocomplete: 'off', spellcheck: 'false' });
  const second = h('input', { class: 'mono', autocomplete: 'off', spellcheck: 'false' });
  const more = h('div');
  const show = () => {
    const isOwn = kind.value === 'own';
    fill(
      more,
      isOwn || kind.value === 'selfSigned'
        ? [
            field(
              isOwn ? 'Primary key' : 'Primary thumbprint',
              first,
              isOwn ? 'base64 of 16 to 64 bytes' : 'SHA-1 or SHA-256 of the certificate, in hex',
            ),
            field(isOwn ? 'Secondary key' : 'Secondary thumbprint', second),
          ]
        : null,
    );
  };
  kind.addEventListener('change', show);
  show();
  return {
    element: h('div', {}, field('Authentication', kind), more),
    read() {
      const values = [first.value.trim() || null, second.value.trim() || null];
      if (kind.value === 'own') {
        if (!values[0] || !values[1]) throw new InputError('Give both keys, or let the hub make them.');
        return { type: 'sas', symmetricKey: { primaryKey: values[0], secondaryKey: values[1] } };
      }
      if (kind.value === 'selfSigned') {
        if (!values[0]) throw new InputError('Give the thumbprint of the certificate.');
        return {
          type: 'selfSigned',
          x509Thumbprint: { primaryThumbprint: values[0], secondaryThumbprint: values[1] ?? values[0] },
        };
      }
      return { type: kind.value };
    },
  };
}

function createDialog(title, idLabel, extra, create) {
  return dialog(title, (close) => {
    const id = h('input', {
      class: 'mono',
      autocomplete: 'off',
      spellcheck: 'false',
      autocapitalize: 'off',
      maxlength: 128,
    });
    const authentication = authenticationFields();
    const place = h('div');
    const button = h('button', { type: 'submit', class: 'primary' }, 'Create');
    setTimeout(() => id.focus());
    return h(
      'form',
      {
        onsubmit: (event) => {
          event.preventDefault();
          attempt(button, place, async () => {
            checkId(id.value, idLabel.toLowerCase());
            await create(id.value, authentication.read());
            close(id.value);
          });
        },
      },
      field(`${idLabel} id`, id),
      authentication.element,
      extra,
      place,
      h('div', { class: 'row end' }, h('button', { type: 'button', onclick: () => close() }, 'Cancel'), button),
    );
  });
}

// Answers the id of what was made, or null.
export function createDeviceDialog(api) {
  const isDisabled = h('input', { type: 'checkbox' });
  const isEdge = h('input', { type: 'checkbox' });
  const extra = h(
    'div',
    { class: 'row' },
    h('label', { class: 'check' }, isDisabled, h('span', {}, 'Create it disabled')),
    h('label', { class: 'check' }, isEdge, h('span', {}, 'IoT Edge device')),
  );
  return createDialog('New device', 'Device', extra, (deviceId, authentication) =>
    api.ask(`create the device “${deviceId}”`, 'PUT', identityPath(deviceId), {
      body: {
        deviceId,
        status: isDisabled.checked ? 'disabled' : 'enabled',
        authentication,
        capabilities: { iotEdge: isEdge.checked },
      },
      needs: 'RegistryWrite',
    }),
  );
}

export function createModuleDialog(api, deviceId) {
  return createDialog(`New module of ${deviceId}`, 'Module', null, (moduleId, authentication) =>
    api.ask(`create the module “${moduleId}”`, 'PUT', identityPath(deviceId, moduleId), {
      body: { deviceId, moduleId, authentication },
      needs: 'RegistryWrite',
    }),
  );
}
