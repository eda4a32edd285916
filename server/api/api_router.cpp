#include "server/api/api_router.h"

#include <charconv>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "protocol/http/trace_context.h"
#include "server/api/api_throttle.h"
#include "server/api/operation_handlers.h"
#include "server/api/request_refusals.h"
#include "server/dashboard/dashboard.h"
#include "server/hub/bearer_key_source.h"

namespace kyanite {
namespace {

RequestSubject subject_of(Operation operation) {
  switch (operation) {
    case Operation::send_c2d:
      return RequestSubject::c2d_send;
    case Operation::invoke_method:
    case Operation::invoke_command:
      return RequestSubject::method_call;
    default:
      return RequestSubject::other;
  }
}

Identity identity_of(const RouteMatch& route) {
  const auto& ids = route.parameters;
  // Behind a digital twin's id stand a component and a command.
  const bool names_module = route.operation == Operation::invoke_method && ids.size() > 1;
  return {ids.at(0), names_module ? ids[1] : std::string()};
}

// Chunked bodies may become any size.
bool has_small_body(const HttpRequest& head) {
  const auto length = head.header("content-length");
  if (!length) return false;
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(length->data(), length->data() + length->size(), bytes);
  return error == std::errc() && end == length->data() + length->size() &&
         bytes <= limits::kUnprovenBodyBytesMax;
}

// What is told of a request after it is gone.
struct RequestNote {
  HttpVerb verb;
  std::string path;
  std::string peer;
  std::string tracking_id;
  SteadyTime began;
  std::string trace_id;
  RequestSubject subject = RequestSubject::other;
  Identity identity{};

  RequestNote(const HttpRequest& request, SteadyTime now)
      : verb(request.verb),
        path(request.target),
        peer(request.peer.address),
        tracking_id(request.tracking_id),
        began(now),
        trace_id(trace_id_of(request.header("traceparent").value_or(std::string_view()))) {}

  RequestOutcome outcome(int status, const Error* error, SteadyTime now) const {
    const bool is_about = subject != RequestSubject::other;
    return {verb,  path,        peer,     tracking_id, status,
            error, now - began, trace_id, subject,     is_about ? &identity : nullptr};
  }
};

}  // namespace

// The body of a request that the router hands on.
class ApiRouter::NotedSink final : public RequestBodySink {
 public:
  NotedSink(ApiRouter& router, HttpRequest head, std::unique_ptr<RequestBodySink> below)
      : router_(router), head_(std::move(head)), below_(std::move(below)) {}
  void write(std::string piece, Reply<void> taken) override {
    below_->write(std::move(piece), std::move(taken));
  }
  void finish(Reply<HttpResponse> reply) override {
    if (router_.faults_) reply = router_.fault_afterwards(head_, std::move(reply));
    below_->finish(router_.noted(head_, std::move(reply)));
  }

 private:
  ApiRouter& router_;
  HttpRequest head_;
  std::unique_ptr<RequestBodySink> below_;
};

ApiRouter::ApiRouter(HubServices& services, HubFacts facts, HubSecurityPtr security, ApiObserver& observer)
    : telemetry_(services),
      blobs_(services),
      context_{services, telemetry_, std::move(facts), std::move(security)},
      observer_(observer) {
  context_.waits = &waits_;
}

Result<ApiRouter::Admitted> ApiRouter::admit(const HttpRequest& request) const {
  Result<RouteMatch> route = match_route(request, context_.services.settings.test_control);
  if (!route) return route.error();
  Admitted admitted;
  // Whoever shifted the clock past the end of its own tokens must be able to shift it back.
  const WallTime hub_time = context_.services.executor.wall_now();
  const WallTime now = route->only_for_tests ? hub_time - context_.clock_shift : hub_time;
  const std::string_view authorization = request.header("authorization").value_or(std::string_view());
  if (route->is_devices_own) {
    const auto caller = judge_device_caller(authorization, !request.peer.certificate_chain.empty(),
                                            request.segments, *context_.security, now);
    if (!caller) return caller.error();
    admitted.caller = *caller;
  } else {
    const Result<void> authorized =
        authorize_service(authorization, route->needed, request.segments, *context_.security, now);
    if (!authorized) return authorized.error();
  }
  if (route->needs_api_version) {
    if (auto version = check_api_version(request); !version) return version.error();
  }
  admitted.route = std::move(*route);
  return admitted;
}

void ApiRouter::ask_owner(const HttpRequest& request, const Admitted& admitted, Reply<RequestVerdict> reply) {
  AdmitRequest question;
  question.identity = identity_of_own_route(request, admitted.route);
  if (admitted.caller == DeviceCaller::own) {
    Credentials& credentials = question.credentials.emplace();
    if (const auto token = request.header("authorization")) credentials.sas_token = std::string(*token);
    credentials.certificate_chain = request.peer.certificate_chain;
  }
  question.reply = std::move(reply);
  context_.services.router.send(std::move(question));
}

ApiRouter::ErrorForm ApiRouter::form_of(Operation operation) {
  const bool calls_device = operation == Operation::invoke_method || operation == Operation::invoke_command;
  return calls_device ? ErrorForm::nested : ErrorForm::plain;
}

HttpResponse ApiRouter::refusal(const Error& error, const std::string& tracking_id, ErrorForm form) const {
  const WallTime now = context_.services.executor.wall_now();
  HttpResponse response = form == ErrorForm::nested ? nested_error_response(error, tracking_id, now)
                                                    : error_response(error, tracking_id, to_error_time(now));
  response.headers.emplace_back("x-ms-request-id", tracking_id);
  // Back-pressure passes soon. Throttling never carries the header, and ends the connection (service-rest.md
  // 3.6).
  response.close_connection = error.code == Errc::throttled;
  if (error.code == Errc::busy) response.headers.emplace_back("Retry-After", "1");
  return response;
}

HttpResponse ApiRouter::reject(const HttpRequest& request, const Error& error) {
  return reject(request, error, ErrorForm::plain);
}

HttpResponse ApiRouter::reject(const HttpRequest& request, const Error& error, ErrorForm form) {
  HttpResponse response =
      blobs_.owns(request) ? blobs_.refusal(request, error) : refusal(error, request.tracking_id, form);
  const SteadyTime now = context_.services.executor.now();
  remember(request, error);
  observer_.on_answered(RequestNote(request, now).outcome(response.status, &error, now));
  return response;
}

void ApiRouter::remember(const HttpRequest& request, const Error& refusal) {
  if (context_.services.journal) remember_refusal(*context_.services.journal, request, refusal);
}

std::optional<HttpResponse> ApiRouter::page(const HttpRequest& request) {
  if (!context_.services.settings.dashboard.enabled) return std::nullopt;
  std::optional<HttpResponse> response = answer_dashboard(request);
  if (!response) return std::nullopt;
  response->headers.emplace_back("x-ms-request-id", request.tracking_id);
  const SteadyTime now = context_.services.executor.now();
  observer_.on_answered(RequestNote(request, now).outcome(response->status, nullptr, now));
  return response;
}

std::optional<HttpResponse> ApiRouter::refuse_early(const HttpRequest& head) {
  // A body beside the question is not read.
  if (auto answer = page(head)) return answer;
  if (faults_) {
    if (auto instead = fault_instead(head)) return instead;
  }
  std::optional<Error> error;
  if (blobs_.owns(head)) {
    if (const Result<void> admitted = blobs_.admit(head); !admitted) error = admitted.error();
  } else if (const Result<Admitted> admitted = admit(head); !admitted) {
    error = admitted.error();
  }
  if (!error || waits_for_keys(head, *error)) return std::nullopt;
  HttpResponse refusal = reject(head, *error);
  if (faults_) refusal.cut_after = fault_cut(head);
  return refusal;
}

// Who names a device and proves nothing may make the hub hold no more than a head.
bool ApiRouter::plans_body(const HttpRequest& head) const {
  if (blobs_.owns(head)) return true;
  const Result<Admitted> admitted = admit(head);
  if (!admitted) return waits_for_keys(head, admitted.error());
  if (has_large_body(*admitted)) return true;
  return proves_itself_later(*admitted) && !has_small_body(head);
}

void ApiRouter::plan_body(const HttpRequest& head, Reply<BodyPlan> reply) {
  plan_body(head, Keys::may_be_fetched, std::move(reply));
}

void ApiRouter::plan_body(const HttpRequest& head, Keys keys, Reply<BodyPlan> reply) {
  if (blobs_.owns(head)) {
    BodyPlan plan;
    plan.bytes_max = blobs_.body_bytes_max(head);
    if (auto sink = blobs_.open(head)) plan.sink = std::make_unique<NotedSink>(*this, head, std::move(sink));
    return reply(std::move(plan));
  }
  const Result<Admitted> admitted = admit(head);
  if (!admitted) {
    if (keys == Keys::may_be_fetched && waits_for_keys(head, admitted.error())) {
      return after_keys([this, head, reply = std::move(reply)]() mutable {
        plan_body(head, Keys::as_they_are, std::move(reply));
      });
    }
    return reply(BodyPlan{reject(head, admitted.error()), nullptr});
  }
  if (!proves_itself_later(*admitted)) {
    BodyPlan plan;
    if (has_large_body(*admitted)) plan.bytes_max = limits::kBulkBodyBytesMax;
    return reply(std::move(plan));
  }
  ask_owner(head, *admitted,
            Reply<RequestVerdict>(context_.services.executor, [this, head, reply = std::move(reply)](
                                                                  Result<RequestVerdict> verdict) mutable {
              BodyPlan plan;
              if (!verdict) plan.refusal = reject(head, verdict.error());
              if (!verdict && faults_) plan.refusal->cut_after = fault_cut(head);
              reply(std::move(plan));
            }));
}

bool ApiRouter::waits_for_keys(const HttpRequest& request, const Error& refusal) const {
  if (!context_.services.bearer_keys || refusal.code != Errc::unauthorized) return false;
  return may_need_newer_keys(request.header("authorization").value_or(std::string_view()),
                             *context_.security);
}

void ApiRouter::after_keys(Task go_on) {
  context_.services.bearer_keys->fetch(Reply<void>(
      context_.services.executor, [go_on = std::move(go_on)](const Result<void>&) mutable { go_on(); }));
}

Reply<HttpResponse> ApiRouter::noted(const HttpRequest& request, Reply<HttpResponse> reply) {
  Executor& executor = context_.services.executor;
  return {executor, [this, note = RequestNote(request, executor.now()),
                     reply = std::move(reply)](Result<HttpResponse> result) mutable {
            const SteadyTime now = context_.services.executor.now();
            if (result) {
              const Error refused(Errc::internal, result->body);
              observer_.on_answered(
                  note.outcome(result->status, result->status >= 400 ? &refused : nullptr, now));
            }
            reply(std::move(result));
          }};
}

void ApiRouter::handle_blob(const HttpRequest& request, Reply<HttpResponse> reply) {
  if (const Result<void> admitted = blobs_.admit(request); !admitted) {
    return reply(reject(request, admitted.error()));
  }
  blobs_.handle(request, noted(request, std::move(reply)));
}

void ApiRouter::handle(const HttpRequest& request, Reply<HttpResponse> reply) {
  if (auto answer = page(request)) return reply(std::move(*answer));
  if (faults_) {
    if (!request.was_judged_early) {
      if (auto instead = fault_instead(request)) return reply(std::move(*instead));
    }
    reply = fault_afterwards(request, std::move(reply));
  }
  if (blobs_.owns(request)) return handle_blob(request, std::move(reply));
  handle(request, Keys::may_be_fetched, std::move(reply));
}

void ApiRouter::handle(const HttpRequest& request, Keys keys, Reply<HttpResponse> reply) {
  Result<Admitted> admitted = admit(request);
  if (!admitted) {
    if (keys == Keys::may_be_fetched && waits_for_keys(request, admitted.error())) {
      return after_keys(
          [this, kept = std::make_unique<HttpRequest>(request), reply = std::move(reply)]() mutable {
            handle(*kept, Keys::as_they_are, std::move(reply));
          });
    }
    return reply(reject(request, admitted.error()));
  }
  const RouteMatch& route = admitted->route;
  const Operation operation = route.operation;
  const ErrorForm form = form_of(operation);
  if (auto in_rate = admit_by_rate(context_.services, operation, request.body.size()); !in_rate) {
    return reply(reject(request, in_rate.error(), form));
  }
  Executor& executor = context_.services.executor;
  RequestNote noted_request(request, executor.now());
  noted_request.subject = subject_of(operation);
  if (noted_request.subject != RequestSubject::other) noted_request.identity = identity_of(route);
  Reply<HttpResponse> finished(executor, [this, operation, form, note = std::move(noted_request),
                                          reply = std::move(reply)](Result<HttpResponse> result) mutable {
    const SteadyTime now = context_.services.executor.now();
    if (!result) {
      const Error error = result.error();
      HttpResponse response = refusal(error, note.tracking_id, form);
      observer_.on_answered(note.outcome(response.status, &error, now));
      return reply(std::move(response));
    }
    HttpResponse response = std::move(*result);
    meter_answer(context_.services, operation, response.body.size());
    response.headers.emplace_back("x-ms-request-id", note.tracking_id);
    observer_.on_answered(note.outcome(response.status, nullptr, now));
    reply(std::move(response));
  });
  if (!route.is_devices_own) {
    return handler_of(operation)(ApiCall{request, route, context_}, std::move(finished));
  }
  ask_owner(request, *admitted,
            Reply<RequestVerdict>(executor,
                                  [this, kept = std::make_unique<HttpRequest>(request), kept_route = route,
                                   finished = std::move(finished)](Result<RequestVerdict> verdict) mutable {
                                    if (!verdict) {
                                      remember(*kept, verdict.error());
                                      return finished(verdict.error());
                                    }
                                    handler_of(kept_route.operation)(
                                        ApiCall{*kept, kept_route, context_, &*verdict}, std::move(finished));
                                  }));
}

}  // namespace kyanite
