// kyanite_read_events: how fast a hub of this machine gives its stored events to AMQP readers of one
// connection.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

#include "bench/events/event_reader.h"
#include "bench/load/process_figures.h"
#include "protocol/auth/connection_string.h"
#include "protocol/auth/sas_token.h"

namespace {

using namespace kyanite;
using namespace kyanite::load;

constexpr std::int64_t kTokenSeconds = 3600;

nlohmann::json read_hub_json(const std::string& data) {
  std::ifstream in(data + "/hub.json");
  auto json = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) give_up("cannot read " + data + "/hub.json; is the hub running?");
  return json;
}

double cpu_of(int pid) {
  const auto figures = read_process(pid);
  return figures ? figures->cpu_seconds : 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Reads events of a hub on this machine over one AMQP connection and tells how fast"};
  std::string data = "kyanite-data";
  std::uint64_t events = 1'000'000;
  std::uint32_t readers = 1;
  std::vector<std::uint32_t> partitions{0, 1, 2, 3};
  bool plain = false;
  EventReader::Options options;
  app.add_option("--data", data, "data directory of the hub")->capture_default_str();
  app.add_option("--events", events, "stop after so many, of all readers together")->capture_default_str();
  app.add_option("--partitions", partitions, "read these, each in a session of its own")->delimiter(',');
  app.add_option("--readers", readers, "of each partition, at the same place")
      ->check(CLI::Range(1, 5))
      ->capture_default_str();
  app.add_option("--window", options.window, "of each session, in transfers")->capture_default_str();
  app.add_option("--consumer-group", options.group)->capture_default_str();
  app.add_flag("--plain", plain, "over the listener without TLS");
  CLI11_PARSE(app, argc, argv);

  auto target = read_hub_file(data);
  if (!target) give_up(target.error().detail);
  const nlohmann::json hub = read_hub_json(data);
  const std::string entity = hub.value("eventsEntity", "");
  const auto login = parse_connection_string(target->service_connection_string);
  if (!login) give_up("hub.json has no service connection string");
  const auto expiry =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count() +
      kTokenSeconds;
  const std::string token = make_sas_token(target->host_name, login->key, expiry, login->policy);
  auto tls = TlsClient::create(*target, TlsVersion::any);
  if (!tls) give_up(tls.error().detail);
  const auto port = hub.at("ports").value(plain ? "amqp" : "amqps", std::uint16_t{0});

  HubStream stream(*target, plain ? nullptr : &*tls, port);
  EventReader reader(stream, options);
  reader.open(target->host_name, entity, token);
  for (std::uint32_t i = 0; i < readers; ++i) {
    for (const std::uint32_t partition : partitions) reader.attach(entity, partition);
  }
  const double hub_cpu = cpu_of(target->pid);
  const double own_cpu = own_cpu_seconds();
  const auto began = std::chrono::steady_clock::now();
  reader.read(events);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  nlohmann::ordered_json figures;
  figures["events"] = reader.events();
  figures["seconds"] = took.count();
  figures["events_per_second"] = static_cast<double>(reader.events()) / took.count();
  figures["megabytes_per_second"] = static_cast<double>(reader.bytes()) / took.count() / 1e6;
  figures["bytes_per_event"] = static_cast<double>(reader.bytes()) / static_cast<double>(reader.events());
  figures["hub_cpu_seconds_per_million"] =
      (cpu_of(target->pid) - hub_cpu) * 1e6 / static_cast<double>(reader.events());
  figures["reader_cpu_seconds_per_million"] =
      (own_cpu_seconds() - own_cpu) * 1e6 / static_cast<double>(reader.events());
  std::printf("%s\n", figures.dump(2).c_str());
  return 0;
}
