#pragma once

#include "protocol/http/request_handler.h"
#include "server/api/api_call.h"
#include "server/api/api_observer.h"
#include "server/api/blob_endpoint.h"
#include "server/api/wait.h"
#include "server/hub/active_faults.h"
#include "server/hub/authenticator.h"

namespace kyanite {

// ApiRouter answers the REST requests of one shard: it finds the route, judges the credential, runs the
// operation and turns errors into envelopes. Every response carries x-ms-request-id.
//
// Owner: its shard. It outlives the shard's HTTP connections and their streams.
class ApiRouter final : public HttpRequestHandler {
 public:
  ApiRouter(HubServices& services, HubFacts facts, HubSecurityPtr security, ApiObserver& observer);

  // A new snapshot counts for the requests that follow.
  void set_security(HubSecurityPtr security) { context_.security = std::move(security); }

  // The wall clock was shifted.
  void set_clock_shift(milliseconds shift) { context_.clock_shift = shift; }

  // The faults that tests asked for; null without any.
  void set_faults(ActiveFaultsPtr faults) { faults_ = std::move(faults); }

  // The hub is going down: those who wait are answered, so that they do not hold up the stop.
  void drain() { waits_.refuse_all(Error(Errc::shutting_down, "the hub is shutting down")); }

  // Telemetry that came over HTTPS.
  const TelemetryRequests& telemetry() const { return telemetry_; }

  // The port clients dial, known once it is bound; before that the configured one.
  void set_ports(const HubPorts& ports) { context_.facts.ports = ports; }

  std::optional<HttpResponse> refuse_early(const HttpRequest& head) override;
  bool plans_body(const HttpRequest& head) const override;
  void plan_body(const HttpRequest& head, Reply<BodyPlan> reply) override;
  void handle(const HttpRequest& request, Reply<HttpResponse> reply) override;
  HttpResponse reject(const HttpRequest& request, const Error& error) override;

 private:
  // A request that may go on, as far as it can be judged by itself.
  struct Admitted {
    RouteMatch route;
    DeviceCaller caller = DeviceCaller::policy;  // on the routes of devices
  };
  Result<Admitted> admit(const HttpRequest& request) const;
  // Tells the observer of the answer.
  Reply<HttpResponse> noted(const HttpRequest& request, Reply<HttpResponse> reply);
  class NotedSink;
  // Devices that prove themselves with their own credential, which only their owner can judge.
  static bool proves_itself_later(const Admitted& admitted) {
    return admitted.route.is_devices_own && admitted.caller == DeviceCaller::own;
  }
  static bool has_large_body(const Admitted& admitted) {
    return admitted.route.operation == Operation::bulk_registry;
  }
  // Whether the refusal may be another one with the issuer's newer keys.
  bool waits_for_keys(const HttpRequest& request, const Error& refusal) const;
  // Fetches these, then goes on whatever came.
  void after_keys(Task go_on);
  enum class Keys { may_be_fetched, as_they_are };
  void plan_body(const HttpRequest& head, Keys keys, Reply<BodyPlan> reply);
  void handle(const HttpRequest& request, Keys keys, Reply<HttpResponse> reply);
  // The dashboard's own files, which anybody may have.
  std::optional<HttpResponse> page(const HttpRequest& request);
  void handle_blob(const HttpRequest& request, Reply<HttpResponse> reply);
  // Asks the owner of the identity that the path names.
  void ask_owner(const HttpRequest& request, const Admitted& admitted, Reply<RequestVerdict> reply);
  enum class ErrorForm { plain, nested };  // service-rest.md 3.3
  HttpResponse reject(const HttpRequest& request, const Error& error, ErrorForm form);
  void remember(const HttpRequest& request, const Error& refusal);
  HttpResponse refusal(const Error& error, const std::string& tracking_id, ErrorForm form) const;

  static ErrorForm form_of(Operation operation);

  // What tests asked for, api_faults.cpp; called with faults in force. Not on routes for tests.
  struct FaultTarget;
  std::optional<FaultTarget> fault_target(const HttpRequest& request) const;
  // In place of the operation, and of the refusal of a credential.
  std::optional<HttpResponse> fault_instead(const HttpRequest& request);
  // The reply with what comes after the operation.
  Reply<HttpResponse> fault_afterwards(const HttpRequest& request, Reply<HttpResponse> reply);
  std::optional<std::uint64_t> fault_cut(const HttpRequest& request) const;
  HttpResponse fault_response(const HttpRequest& request, ErrorForm form, const FaultRule& rule);

  WaitRoom waits_;
  TelemetryRequests telemetry_;
  BlobEndpoint blobs_;
  ApiContext context_;
  ActiveFaultsPtr faults_;
  ApiObserver& observer_;
};

}  // namespace kyanite
