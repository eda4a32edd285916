#include "bench/load/c2d_sender.h"

#include <algorithm>

#include "bench/load/curl_handles.h"
#include "protocol/auth/connection_string.h"
#include "protocol/auth/sas_token.h"

namespace kyanite::load {
namespace {

using SendClock = std::chrono::steady_clock;

constexpr std::int64_t kSendTokenSeconds = 7200;
constexpr long kNoContent = 204;

std::size_t ignore_body(char*, std::size_t, std::size_t count, void*) { return count; }

// One request at a time, for one device after another.
struct Sender {
  EasyPtr handle{curl_easy_init()};
  std::size_t device = 0;
  std::uint32_t message = 0;
  std::string body;
};

class Sending {
 public:
  Sending(const Target& target, const std::vector<std::string>& ids, const SendPlan& plan)
      : ids_(ids),
        plan_(plan),
        base_url_("https://" + target.host_name + ":" + std::to_string(target.https.port) + "/devices/") {}

  void point(Sender& sender) const {
    const std::string url = base_url_ + ids_[sender.device] + "/messages/deviceBound?api-version=2021-04-12";
    curl_easy_setopt(sender.handle.get(), CURLOPT_URL, url.c_str());
  }
  void fill(Sender& sender) const {
    sender.body = std::to_string(plan_.per_device != 0 ? std::int64_t{sender.message}
                                                       : SendClock::now().time_since_epoch().count());
    curl_easy_setopt(sender.handle.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(sender.body.size()));
    curl_easy_setopt(sender.handle.get(), CURLOPT_POSTFIELDS, sender.body.c_str());
  }
  bool begin_device(Sender& sender) {
    if (next_ == ids_.size()) return false;
    sender.device = next_++;
    sender.message = 0;
    point(sender);
    fill(sender);
    return true;
  }
  // What the sender does after one message; false: nothing.
  bool go_on(Sender& sender) {
    if (plan_.per_device != 0 && ++sender.message == plan_.per_device) return begin_device(sender);
    fill(sender);
    return true;
  }

 private:
  const std::vector<std::string>& ids_;
  const SendPlan& plan_;
  const std::string base_url_;
  std::size_t next_ = 0;  // device
};

}  // namespace

Result<SendFigures> send_messages(const Target& target, const std::vector<std::string>& ids,
                                  const SendPlan& plan) {
  if (!target.https.known()) return Error{Errc::argument_invalid, "give --data DIR or --https ADDRESS:PORT"};
  const auto login = parse_connection_string(target.service_connection_string);
  if (!login) return login.error();
  const auto now = std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch());
  const std::string token =
      make_sas_token(target.host_name, login->key, now.count() + kSendTokenSeconds, login->policy);
  ListPtr headers(curl_slist_append(nullptr, ("Authorization: " + token).c_str()));
  headers.reset(curl_slist_append(headers.release(), "Content-Type: text/plain"));
  headers.reset(curl_slist_append(headers.release(), "Expect:"));
  const ListPtr connect_to = connect_to_list(target.https);

  const MultiPtr multi(curl_multi_init());
  std::vector<Sender> senders(std::min(ids.size(), plan.at_once));
  curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(senders.size()));
  Sending sending(target, ids, plan);
  std::size_t under_way = 0;
  for (Sender& sender : senders) {
    CURL* const curl = sender.handle.get();
    curl_easy_setopt(curl, CURLOPT_CONNECT_TO, connect_to.get());
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_CAINFO, target.ca_file.c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_body);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, &sender);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    if (!sending.begin_device(sender)) break;
    curl_multi_add_handle(multi.get(), curl);
    ++under_way;
  }
  SendFigures figures;
  const auto began = SendClock::now();
  const auto until = began + std::chrono::duration_cast<SendClock::duration>(plan.time);
  while (under_way > 0) {
    int running = 0;
    curl_multi_perform(multi.get(), &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
      CURL* const handle = message->easy_handle;
      char* owner = nullptr;
      curl_easy_getinfo(handle, CURLINFO_PRIVATE, &owner);
      Sender& sender = *static_cast<Sender*>(static_cast<void*>(owner));
      long status = 0;
      curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
      const bool good = message->data.result == CURLE_OK && status == kNoContent;
      ++(good ? figures.sent : figures.failed);
      curl_multi_remove_handle(multi.get(), handle);
      const bool is_over = plan.per_device == 0 && SendClock::now() >= until;
      if (!is_over && sending.go_on(sender)) {
        curl_multi_add_handle(multi.get(), handle);
      } else {
        --under_way;
      }
    }
    curl_multi_poll(multi.get(), nullptr, 0, 10, nullptr);
  }
  figures.seconds = std::chrono::duration<double>(SendClock::now() - began).count();
  return figures;
}

}  // namespace kyanite::load
