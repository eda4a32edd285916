// The address behind '#': '#/device/d%201/twin' is the page device with the path ['d 1', 'twin'].

export function readAddress() {
  const [path] = location.hash.replace(/^#\/?/, '').split('?');
  const decode = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  const [name, ...rest] = path.split('/').filter(Boolean).map(decode);
  return { name: name ?? 'devices', path: rest };
}

export const address = (...parts) => `#/${parts.map(encodeURIComponent).join('/')}`;
