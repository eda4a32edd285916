#include "bench/load/registry_client.h"

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/load/curl_handles.h"
#include "protocol/auth/connection_string.h"
#include "protocol/auth/sas_token.h"
#include "protocol/auth/symmetric_key.h"

namespace kyanite::load {
namespace {

constexpr std::size_t kRequestsAtOnce = 16;
constexpr int kAttemptsMax = 5;
constexpr long kRequestSeconds = 30;
constexpr std::int64_t kRegistryTokenSeconds = 3600;
constexpr const char* kQuery = "?api-version=2021-04-12";

struct TextDelete {
  void operator()(char* text) const { curl_free(text); }
};

std::size_t append_answer(char* bytes, std::size_t, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(bytes, count);
  return count;
}

// DeviceCreation puts one device after another on its connection: PUT, and GET where the device exists
// already.
class DeviceCreation {
 public:
  DeviceCreation(const Target& target, curl_slist* headers, std::string base_url)
      : base_url_(std::move(base_url)), handle_(curl_easy_init()) {
    CURL* curl = handle_.get();
    connect_to_ = connect_to_list(target.https);
    curl_easy_setopt(curl, CURLOPT_CONNECT_TO, connect_to_.get());
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_CAINFO, target.ca_file.c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, kRequestSeconds);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer_);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, this);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  }

  CURL* handle() const { return handle_.get(); }
  std::size_t device() const { return device_; }

  void begin(std::size_t device, const std::string& id) {
    device_ = device;
    id_ = id;
    attempts_ = 0;
    put();
  }

  // After a transfer: the key when the device is done, nothing when another request was prepared.
  Result<std::optional<std::string>> finish(CURLcode outcome) {
    if (outcome != CURLE_OK)
      return Error{Errc::io_failed, std::string("REST: ") + curl_easy_strerror(outcome)};
    long status = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status == 409 && !reading_) {
      get();
      return std::optional<std::string>{};
    }
    if ((status == 429 || status == 503) && ++attempts_ < kAttemptsMax) {
      reading_ ? get() : put();
      return std::optional<std::string>{};
    }
    if (status != 200 && status != 201) {
      return Error{Errc::format_error, "device " + id_ + ": HTTP " + std::to_string(status) + " " + answer_};
    }
    const nlohmann::json device = nlohmann::json::parse(answer_, nullptr, /*allow_exceptions=*/false);
    const nlohmann::json::json_pointer where("/authentication/symmetricKey/primaryKey");
    if (!device.is_object() || !device.contains(where) || !device.at(where).is_string()) {
      return Error{Errc::format_error, "device " + id_ + ": no symmetric key in the answer"};
    }
    return std::optional<std::string>{device.at(where).get<std::string>()};
  }

 private:
  void put() {
    reading_ = false;
    prepare();
    const nlohmann::json document{
        {"deviceId", id_},
        {"status", "enabled"},
        {"authentication",
         {{"type", "sas"},
          {"symmetricKey", {{"primaryKey", make_symmetric_key()}, {"secondaryKey", make_symmetric_key()}}}}}};
    document_ = document.dump();
    curl_easy_setopt(handle_.get(), CURLOPT_CUSTOMREQUEST, "PUT");
    curl_easy_setopt(handle_.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(document_.size()));
    curl_easy_setopt(handle_.get(), CURLOPT_POSTFIELDS, document_.c_str());
  }

  void get() {
    reading_ = true;
    prepare();
    curl_easy_setopt(handle_.get(), CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(handle_.get(), CURLOPT_CUSTOMREQUEST, nullptr);
  }

  void prepare() {
    answer_.clear();
    const std::unique_ptr<char, TextDelete> escaped(
        curl_easy_escape(handle_.get(), id_.c_str(), static_cast<int>(id_.size())));
    const std::string url = base_url_ + "/devices/" + escaped.get() + kQuery;
    curl_easy_setopt(handle_.get(), CURLOPT_URL, url.c_str());
  }

  std::string base_url_;
  std::unique_ptr<CURL, EasyDelete> handle_;
  ListPtr connect_to_;
  std::size_t device_ = 0;
  std::string id_;
  std::string document_;
  std::string answer_;
  bool reading_ = false;
  int attempts_ = 0;
};

Result<std::vector<std::string>> run_all(CURLM* multi, std::vector<std::unique_ptr<DeviceCreation>>& flows,
                                         const std::vector<std::string>& ids) {
  std::vector<std::string> keys(ids.size());
  std::size_t next = 0;
  std::size_t done = 0;
  for (const auto& flow : flows) {
    flow->begin(next, ids[next]);
    ++next;
    curl_multi_add_handle(multi, flow->handle());
  }
  while (done < ids.size()) {
    int running = 0;
    if (curl_multi_perform(multi, &running) != CURLM_OK)
      return Error{Errc::io_failed, "REST: transfer failed"};
    int waiting = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &waiting)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode outcome = message->data.result;
      char* owner = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
      auto* flow = reinterpret_cast<DeviceCreation*>(owner);
      curl_multi_remove_handle(multi, flow->handle());
      const Result<std::optional<std::string>> key = flow->finish(outcome);
      if (!key) return key.error();
      if (*key) {
        keys[flow->device()] = **key;
        ++done;
        if (next == ids.size()) continue;
        flow->begin(next, ids[next]);
        ++next;
      }
      curl_multi_add_handle(multi, flow->handle());
      running = 1;
    }
    if (done < ids.size()) curl_multi_poll(multi, nullptr, 0, 100, nullptr);
  }
  return keys;
}

}  // namespace

Result<std::vector<std::string>> create_devices(const Target& target, const std::vector<std::string>& ids) {
  if (!target.https.known() || target.service_connection_string.empty()) {
    return Error{
        Errc::argument_invalid,
        "to create devices give --data DIR, or --https with --connection-string; or use --device-list"};
  }
  const Result<ConnectionString> login = parse_connection_string(target.service_connection_string);
  if (!login) return login.error();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t expiry =
      std::chrono::duration_cast<std::chrono::seconds>(now).count() + kRegistryTokenSeconds;
  const std::string token = make_sas_token(target.host_name, login->key, expiry, login->policy);

  curl_global_init(CURL_GLOBAL_DEFAULT);
  ListPtr headers(curl_slist_append(nullptr, ("Authorization: " + token).c_str()));
  curl_slist_append(headers.get(), "Content-Type: application/json; charset=utf-8");
  curl_slist_append(headers.get(), "Expect:");
  const std::string base_url = "https://" + target.host_name + ":" + std::to_string(target.https.port);
  std::vector<std::unique_ptr<DeviceCreation>> flows;
  for (std::size_t i = 0; i < std::min(kRequestsAtOnce, ids.size()); ++i) {
    flows.push_back(std::make_unique<DeviceCreation>(target, headers.get(), base_url));
  }
  const MultiPtr multi(curl_multi_init());
  Result<std::vector<std::string>> keys = run_all(multi.get(), flows, ids);
  for (const auto& flow : flows) curl_multi_remove_handle(multi.get(), flow->handle());
  return keys;
}

}  // namespace kyanite::load
