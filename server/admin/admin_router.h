#pragma once

#include <optional>
#include <string>
#include <utility>

#include "protocol/base/executor.h"
#include "protocol/http/request_handler.h"
#include "server/admin/metrics_source.h"
#include "server/admin/readiness.h"
#include "server/admin/request_source.h"

namespace kyanite {

// AdminRouter answers the requests of one shard's admin port. Its own paths need no credential and only
// read: /healthz (the process is alive), /readyz (it serves), /health (the same in the words of the other
// emulators), /metrics (for Prometheus) and /ca.pem (what clients must trust). Every other request is the
// REST API's, once the hub serves. Browsers get nothing for pages of other sites.
//
// Owner: its shard; it outlives the shard's admin connections. The others outlive it.
class AdminRouter final : public HttpRequestHandler {
 public:
  AdminRouter(Executor& shard, HttpRequestHandler& api, const Readiness& readiness, MetricsSource& metrics,
              SpokenNames names = std::nullopt)
      : shard_(shard), api_(api), readiness_(readiness), metrics_(metrics), names_(std::move(names)) {}

  // PEM text; empty when clients trust the certificate without the hub's help.
  void set_ca(std::string pem) { ca_pem_ = std::move(pem); }

  std::optional<HttpResponse> refuse_early(const HttpRequest& head) override;
  bool plans_body(const HttpRequest& head) const override;
  void plan_body(const HttpRequest& head, Reply<BodyPlan> reply) override;
  void handle(const HttpRequest& request, Reply<HttpResponse> reply) override;
  HttpResponse reject(const HttpRequest& request, const Error& error) override;

 private:
  enum class Page { healthz, readyz, health, metrics, ca };
  static std::optional<Page> page_of(const HttpRequest& request);

  // Why the REST API does not take requests now.
  std::optional<Error> closed() const;
  HttpResponse show(Page page) const;
  HttpResponse show_readiness(std::string_view yes, std::string_view no) const;

  void show_metrics(Reply<HttpResponse> reply);

  Executor& shard_;
  HttpRequestHandler& api_;
  const Readiness& readiness_;
  MetricsSource& metrics_;
  const SpokenNames names_;
  std::string ca_pem_;
};

}  // namespace kyanite
