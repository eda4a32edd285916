"""The network between a device and the hub: listens where the SDK dials and carries bytes to the hub, until told not to."""

import asyncio
import threading

HUB = "127.0.0.1"
RELAY = "127.0.0.2"  # one of the hub's names; see conftest.py


class Relay:
    """One listener for each port, on a thread of its own. The commands are for links that are open now."""

    def __init__(self, ports):
        self._links = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._servers = [self._call(self._listen(port)) for port in ports]

    def cut(self):
        """Both ends see their connection end, without a word before."""
        self._call(self._each(_Link.cut))

    def silence(self):
        """Nothing comes through any more, and neither end is told."""
        self._call(self._each(lambda link: link.silent.update("ud")))

    def silence_device(self):
        """The device still hears the hub; the hub hears nothing."""
        self._call(self._each(lambda link: link.silent.update("u")))

    def close(self):
        for server in self._servers:
            server.close()
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _call(self, task):
        return asyncio.run_coroutine_threadsafe(task, self._loop).result(60)

    async def _each(self, command):
        for link in self._links:
            command(link)

    async def _listen(self, port):
        async def accept(reader, writer):
            try:
                hub_reader, hub_writer = await asyncio.open_connection(HUB, port)
            except OSError:  # the hub is down
                return writer.transport.abort()
            link = _Link(writer, hub_writer)
            self._links.add(link)
            await asyncio.gather(link.carry("u", reader, hub_writer), link.carry("d", hub_reader, writer))
            link.cut()
            self._links.discard(link)

        return await asyncio.start_server(accept, RELAY, port)


class _Link:
    def __init__(self, *writers):
        self.silent = set()  # "u": up to the hub, "d": down to the device
        self.writers = writers

    def cut(self):
        for writer in self.writers:
            writer.transport.abort()

    async def carry(self, direction, reader, writer):
        try:
            while piece := await reader.read(65536):
                if direction not in self.silent:
                    writer.write(piece)
                    await writer.drain()
            if direction not in self.silent:
                writer.close()
        except OSError:
            self.cut()
