#include "bench/load/method_caller.h"

#include "bench/load/curl_handles.h"
#include "protocol/auth/connection_string.h"
#include "protocol/auth/sas_token.h"

namespace kyanite::load {
namespace {

using CallClock = std::chrono::steady_clock;

constexpr std::int64_t kCallTokenSeconds = 7200;
constexpr const char* kCallBody =
    R"({"methodName":"echo","payload":{"t":21.5},"responseTimeoutInSeconds":30})";
constexpr const char* kCallAnswer = R"({"status":200,"payload":{"t":21.5}})";

std::size_t append_body(char* bytes, std::size_t, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(bytes, count);
  return count;
}

// The calls to one device.
struct Caller {
  EasyPtr handle{curl_easy_init()};
  std::string answer;
  CallClock::time_point began;
};

void prepare(Caller& caller, const Target& target, const std::string& url, curl_slist* connect_to,
             curl_slist* headers) {
  CURL* curl = caller.handle.get();
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_CONNECT_TO, connect_to);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_CAINFO, target.ca_file.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, kCallBody);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &caller.answer);
  curl_easy_setopt(curl, CURLOPT_PRIVATE, &caller);
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
}

}  // namespace

Result<MethodFigures> call_methods(const Target& target, const std::vector<std::string>& ids,
                                   std::chrono::duration<double> warmup, std::chrono::duration<double> time) {
  if (!target.https.known()) return Error{Errc::argument_invalid, "give --data DIR or --https ADDRESS:PORT"};
  const auto login = parse_connection_string(target.service_connection_string);
  if (!login) return login.error();
  const auto now = std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch());
  const std::string token =
      make_sas_token(target.host_name, login->key, now.count() + kCallTokenSeconds, login->policy);
  ListPtr headers(curl_slist_append(nullptr, ("Authorization: " + token).c_str()));
  headers.reset(curl_slist_append(headers.release(), "Content-Type: application/json"));
  headers.reset(curl_slist_append(headers.release(), "Expect:"));
  const ListPtr connect_to = connect_to_list(target.https);

  const MultiPtr multi(curl_multi_init());
  curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(ids.size()));
  std::vector<Caller> callers(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string url = "https://" + target.host_name + ":" + std::to_string(target.https.port) +
                            "/twins/" + ids[i] + "/methods?api-version=2021-04-12";
    prepare(callers[i], target, url, connect_to.get(), headers.get());
    callers[i].began = CallClock::now();
    curl_multi_add_handle(multi.get(), callers[i].handle.get());
  }
  MethodFigures figures;
  const auto measure_from = CallClock::now() + std::chrono::duration_cast<CallClock::duration>(warmup);
  const auto until = measure_from + std::chrono::duration_cast<CallClock::duration>(time);
  while (CallClock::now() < until) {
    int running = 0;
    curl_multi_perform(multi.get(), &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
      CURL* const handle = message->easy_handle;
      char* owner = nullptr;
      curl_easy_getinfo(handle, CURLINFO_PRIVATE, &owner);
      Caller& caller = *static_cast<Caller*>(static_cast<void*>(owner));
      const bool good = message->data.result == CURLE_OK && caller.answer == kCallAnswer;
      const auto ended = CallClock::now();
      if (!good) ++figures.failed;
      if (good && caller.began >= measure_from) {
        ++figures.completed;
        figures.latency.record(ended - caller.began);
      }
      caller.answer.clear();
      caller.began = ended;
      curl_multi_remove_handle(multi.get(), handle);
      curl_multi_add_handle(multi.get(), handle);
    }
    curl_multi_poll(multi.get(), nullptr, 0, 10, nullptr);
  }
  for (const Caller& caller : callers) curl_multi_remove_handle(multi.get(), caller.handle.get());
  return figures;
}

}  // namespace kyanite::load
