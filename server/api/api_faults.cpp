#include <utility>

#include "server/api/api_router.h"
#include "server/api/fault_api.h"

// What tests make of requests (/kyanite/v1/faults with routes, and httpError).
namespace kyanite {

struct ApiRouter::FaultTarget {
  FaultRequest request;
  ErrorForm form = ErrorForm::plain;
};

std::optional<ApiRouter::FaultTarget> ApiRouter::fault_target(const HttpRequest& request) const {
  FaultTarget target{{request.verb, request.segments, {}}};
  if (blobs_.owns(request)) {
    target.request.device = request.segments[1];  // names of blobs begin with the device's id
    return target;
  }
  target.request.device = device_in_path(request.segments);
  if (const auto route = match_route(request, context_.services.settings.test_control)) {
    if (route->only_for_tests) return std::nullopt;
    target.form = form_of(route->operation);
  }
  return target;
}

HttpResponse ApiRouter::fault_response(const HttpRequest& request, ErrorForm form, const FaultRule& rule) {
  HttpResponse response;
  if (rule.kind == FaultKind::drop) {
    response.status = 0;
    response.cut_after = 0;
    const Error error(Errc::internal, "fault " + rule.id + ": the connection ends without an answer");
    observer_.on_answered(
        {request.verb, request.target, request.peer.address, request.tracking_id, 0, &error, {}, {}});
    return response;
  }
  response = reject(request, error_of(rule), form);
  response.status = rule.http_status;  // the storage service knows no such answer to some of them
  return response;
}

std::optional<HttpResponse> ApiRouter::fault_instead(const HttpRequest& request) {
  const auto target = fault_target(request);
  if (!target) return std::nullopt;
  for (const FaultKind kind : {FaultKind::drop, FaultKind::http_error}) {
    if (const Fault* fault = faults_->take_request(kind, ActiveFaults::Moment::before, target->request)) {
      return fault_response(request, target->form, fault->rule);
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> ApiRouter::fault_cut(const HttpRequest& request) const {
  const auto target = fault_target(request);
  if (!target) return std::nullopt;
  const Fault* cut = faults_->take_request(FaultKind::cut, ActiveFaults::Moment::either, target->request);
  return cut ? std::optional(cut->rule.bytes) : std::nullopt;
}

Reply<HttpResponse> ApiRouter::fault_afterwards(const HttpRequest& request, Reply<HttpResponse> reply) {
  const auto target = fault_target(request);
  if (!target) return reply;
  const auto take = [this, &target](FaultKind kind, ActiveFaults::Moment moment) {
    return faults_->take_request(kind, moment, target->request);
  };
  Executor& executor = context_.services.executor;
  if (const Fault* delay = take(FaultKind::delay, ActiveFaults::Moment::either)) {
    reply = Reply<HttpResponse>(executor, [&executor, wait = delay->rule.wait,
                                           reply = std::move(reply)](Result<HttpResponse> result) mutable {
      executor.after(wait, [reply = std::move(reply), result = std::move(result)]() mutable {
        reply(std::move(result));
      });
    });
  }
  if (const auto bytes = fault_cut(request)) {
    reply =
        Reply<HttpResponse>(executor, [bytes, reply = std::move(reply)](Result<HttpResponse> result) mutable {
          if (result) result->cut_after = bytes;
          reply(std::move(result));
        });
  }
  const Fault* failure = take(FaultKind::drop, ActiveFaults::Moment::after);
  if (!failure) failure = take(FaultKind::http_error, ActiveFaults::Moment::after);
  if (!failure) return reply;
  HttpRequest head = request;
  head.body.clear();
  return Reply<HttpResponse>(
      executor,
      [this, head = std::move(head), form = target->form, rule = failure->rule, reply = std::move(reply)](
          const Result<HttpResponse>&) mutable { reply(fault_response(head, form, rule)); });
}

}  // namespace kyanite
