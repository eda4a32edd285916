// Resident memory per idle TLS connection: our TlsChannel against asio::ssl::stream with the same SSL_CTX, in
// the same run. Decision resting on it: architecture.md section 1, "TLS".
//
// The server is a child process, so that only its memory is counted. Every connection echoes 64 bytes once,
// then rests. Usage: idle_tls_bench [connections...]      default 1000 5000
#include <openssl/ssl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/net/listener.h"
#include "server/net/tls_channel.h"
#include "tests/support/test_certificates.h"
#include "tests/support/tls_test_client.h"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kMessageBytes = 64;
constexpr int kClientThreads = 4;

std::shared_ptr<const kyanite::TlsContext> make_context() {
  const auto ca = kyanite::test::make_ca();
  const auto leaf = kyanite::test::make_leaf(ca, {"127.0.0.1"});
  kyanite::TlsContextSettings settings;
  settings.certificate = {leaf.certificate_pem, leaf.key_pem};
  return kyanite::TlsContext::create(settings).value();
}

void tell_port(int pipe, std::uint16_t port) {
  if (::write(pipe, &port, sizeof port) != sizeof port) std::abort();
}

// Ours: a sink per connection, nothing else.
struct ChannelEcho final : kyanite::Channel::Sink {
  explicit ChannelEcho(std::unique_ptr<kyanite::TlsStream> stream) : channel(std::move(stream)) {
    channel.start(*this);
  }
  void on_bytes(std::string_view bytes) override { channel.write(bytes); }
  void on_writable() override {}
  void on_closed(kyanite::ChannelEnd) override { delete this; }
  kyanite::TlsChannel channel;
};

[[noreturn]] void serve_with_channels(int pipe) {
  kyanite::ShardGroup shards(1);
  shards.start();
  auto contexts = std::make_shared<kyanite::TlsContextHolder>(make_context());
  auto listener = kyanite::Listener::open(shards, {.address = "127.0.0.1:0"}, contexts,
                                          [](kyanite::Shard&, std::unique_ptr<kyanite::TlsStream> stream) {
                                            new ChannelEcho(std::move(stream));
                                          });
  tell_port(pipe, listener.value()->port());
  for (;;) ::pause();
}

// The usual way: asio::ssl::stream with a small read array (counted in its result, 256 bytes).
struct SslStreamEcho : std::enable_shared_from_this<SslStreamEcho> {
  SslStreamEcho(tcp::socket socket, asio::ssl::context& context) : stream(std::move(socket), context) {}
  void start() {
    stream.next_layer().set_option(tcp::no_delay(true));
    stream.async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](error_code error) {
      if (!error) self->read();
    });
  }
  void read() {
    stream.async_read_some(asio::buffer(data), [self = shared_from_this()](error_code error,
                                                                           std::size_t size) {
      if (error) return;
      asio::async_write(self->stream, asio::buffer(self->data, size), [self](error_code failed, std::size_t) {
        if (!failed) self->read();
      });
    });
  }
  asio::ssl::stream<tcp::socket> stream;
  std::array<char, 256> data{};
};

[[noreturn]] void serve_with_ssl_streams(int pipe) {
  const auto ours = make_context();
  SSL_CTX_up_ref(ours->native());
  asio::ssl::context context(ours->native());
  asio::io_context io(1);
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  acceptor.listen(4096);
  std::function<void()> accept = [&] {
    acceptor.async_accept([&](error_code error, tcp::socket socket) {
      if (!error) std::make_shared<SslStreamEcho>(std::move(socket), context)->start();
      accept();
    });
  };
  accept();
  tell_port(pipe, acceptor.local_endpoint().port());
  io.run();
  std::abort();
}

std::size_t resident_bytes(pid_t process) {
  const std::string path = "/proc/" + std::to_string(process) + "/statm";
  std::FILE* file = std::fopen(path.c_str(), "r");
  unsigned long total = 0;
  unsigned long resident = 0;
  if (!file || std::fscanf(file, "%lu %lu", &total, &resident) != 2) std::abort();
  std::fclose(file);
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// A bare client connection: the TlsTestClient with its own SSL_CTX each would cost the client too much.
struct Client {
  std::unique_ptr<kyanite::test::TcpTestClient> tcp;
  SSL* ssl = nullptr;
};

bool connect(Client& client, SSL_CTX* context, std::uint16_t port) {
  client.tcp = std::make_unique<kyanite::test::TcpTestClient>(port);
  client.ssl = SSL_new(context);
  SSL_set_fd(client.ssl, client.tcp->descriptor());
  char message[kMessageBytes] = {};
  if (!client.tcp->connected() || SSL_connect(client.ssl) != 1) return false;
  if (SSL_write(client.ssl, message, sizeof message) != sizeof message) return false;
  return SSL_read(client.ssl, message, sizeof message) == sizeof message;
}

// Bytes of server memory per connection, with `count` of them up and idle.
double measure(void (*serve)(int), std::size_t count) {
  int pipe[2];
  if (::pipe(pipe) != 0) std::abort();
  const pid_t server = ::fork();
  if (server == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(pipe[0]);
    serve(pipe[1]);
  }
  ::close(pipe[1]);
  std::uint16_t port = 0;
  if (::read(pipe[0], &port, sizeof port) != sizeof port) std::abort();
  ::close(pipe[0]);

  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  std::vector<Client> clients(count + 1);
  if (!connect(clients[count], context, port)) std::abort();  // what the first connection allocates for all
  const std::size_t before = resident_bytes(server);
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < kClientThreads; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = next++; i < count; i = next++) {
        if (!connect(clients[i], context, port)) failed = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failed) std::fprintf(stderr, "some connections failed\n");
  const std::size_t after = resident_bytes(server);
  for (Client& client : clients) SSL_free(client.ssl);
  clients.clear();
  SSL_CTX_free(context);
  ::kill(server, SIGKILL);
  ::waitpid(server, nullptr, 0);
  return static_cast<double>(after - before) / static_cast<double>(count);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);

  std::vector<std::size_t> counts;
  for (int i = 1; i < argc; ++i) counts.push_back(std::strtoul(argv[i], nullptr, 10));
  if (counts.empty()) counts = {1000, 5000};
  std::printf("resident KiB per idle TLS connection (server process only)\n");
  std::printf("%12s %12s %20s\n", "connections", "TlsChannel", "asio::ssl::stream");
  for (const std::size_t count : counts) {
    if (count == 0 || count + 64 > files.rlim_cur) {
      std::fprintf(stderr, "%zu connections need more descriptors than the limit of %lu\n", count,
                   static_cast<unsigned long>(files.rlim_cur));
      return 1;
    }
    const double ours = measure(serve_with_channels, count) / 1024;
    const double asio_stream = measure(serve_with_ssl_streams, count) / 1024;
    std::printf("%12zu %12.1f %20.1f\n", count, ours, asio_stream);
    std::fflush(stdout);
  }
}
