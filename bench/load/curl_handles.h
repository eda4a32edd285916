#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

#include "bench/load/target.h"

namespace kyanite::load {

// CURL and CURLM are both void, so each has a deleter of its own.
struct EasyDelete {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct MultiDelete {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct ListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using EasyPtr = std::unique_ptr<CURL, EasyDelete>;
using MultiPtr = std::unique_ptr<CURLM, MultiDelete>;
using ListPtr = std::unique_ptr<curl_slist, ListDelete>;

// For CURLOPT_CONNECT_TO: every host is there.
inline ListPtr connect_to_list(const LoopbackAddress& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  const std::string host = is_v6 ? "[" + address.host + "]" : address.host;
  return ListPtr(curl_slist_append(nullptr, ("::" + host + ":" + std::to_string(address.port)).c_str()));
}

}  // namespace kyanite::load
