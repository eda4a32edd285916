#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/http/request.h"

namespace kyanite {

// By which names a listener may be spoken to. Without a list: by any.
using SpokenNames = std::optional<std::vector<std::string>>;

// Whether Host is a name that a page on the internet cannot have made to lead here: an address, localhost or
// a name below it, a name without a dot, or one of the hub's own.
bool is_local_name(std::string_view host, const std::vector<std::string>& own_names);

// A request that a browser sent for another site's page, or for one whose name was made to lead here. What is
// to be answered instead: status and sentence.
struct ForeignRequest {
  int status;
  std::string_view sentence;
};
std::optional<ForeignRequest> foreign_request(const HttpRequest& request, const SpokenNames& names);

}  // namespace kyanite
