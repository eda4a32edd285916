#pragma once

#include "server/api/api_call.h"

// Direct methods of devices and modules (service-rest.md 7). The JSON of both sides is passed on as it was
// written. Errors leave in the nested form (3.3); see ApiRouter.
namespace kyanite {

void invoke_method(const ApiCall& call, Reply<HttpResponse> reply);

// The body of a request, judged. Errors: format_error, argument_invalid, message_too_large (the payload).
Result<InvokeMethod> parse_method_body(std::string_view body);

// The rules of what a call is made of, for those that do not come as such a body. Errors as above.
Result<void> check_method_name(std::string_view name);
// Judges the payload that `invoke` has and reads the timeouts, absent or in seconds.
Result<void> set_timeouts(InvokeMethod& invoke, std::optional<std::string_view> response_timeout,
                          std::optional<std::string_view> connect_timeout);

}  // namespace kyanite
