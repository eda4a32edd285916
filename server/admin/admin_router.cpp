#include "server/admin/admin_router.h"

#include <string_view>
#include <utility>

#include "protocol/base/json_limits.h"
#include "server/admin/metrics_text.h"

namespace kyanite {
namespace {

HttpResponse json_answer(int status, const Json& json) {
  HttpResponse response;
  response.status = status;
  response.body = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  // A probe wants to know how things are, not how they were.
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

HttpResponse problem(int status, std::string_view sentence) {
  return json_answer(status, {{"error", sentence}});
}

bool only_reads(const HttpRequest& request) {
  return request.verb == HttpVerb::get || request.verb == HttpVerb::head;
}

HttpResponse wrong_verb() {
  HttpResponse response = problem(405, "this path is read with GET or HEAD");
  response.headers.emplace_back("Allow", "GET, HEAD");
  return response;
}

}  // namespace

std::optional<AdminRouter::Page> AdminRouter::page_of(const HttpRequest& request) {
  if (request.segments.size() != 1) return std::nullopt;
  const std::string& name = request.segments.front();
  if (name == "healthz") return Page::healthz;
  if (name == "readyz") return Page::readyz;
  if (name == "health") return Page::health;
  if (name == "metrics") return Page::metrics;
  if (name == "ca.pem") return Page::ca;
  return std::nullopt;
}

std::optional<Error> AdminRouter::closed() const {
  switch (readiness_.phase()) {
    case Readiness::Phase::applying_seed:
    case Readiness::Phase::opening_listeners:
      return Error(Errc::busy, "the hub is starting");
    case Readiness::Phase::serving:
      return std::nullopt;
    case Readiness::Phase::draining:
      return Error(Errc::shutting_down, "the hub is shutting down");
  }
  return std::nullopt;
}

HttpResponse AdminRouter::show_readiness(std::string_view yes, std::string_view no) const {
  const auto missing = readiness_.missing();
  if (missing.empty()) return json_answer(200, {{"status", yes}});
  Json reasons = Json::array();
  for (const auto& [check, reason] : missing) reasons.push_back({{"check", check}, {"reason", reason}});
  return json_answer(503, {{"status", no}, {"missing", std::move(reasons)}});
}

HttpResponse AdminRouter::show(Page page) const {
  switch (page) {
    case Page::healthz:
      return json_answer(200, {{"status", "alive"}});
    case Page::readyz:
      return show_readiness("ready", "not ready");
    case Page::health:
      return show_readiness("healthy", "unhealthy");
    case Page::metrics:  // takes a while: show_metrics()
    case Page::ca:
      break;
  }
  if (ca_pem_.empty()) {
    return problem(404, "the hub's certificate was given to it without tls.caFile; ask who issued it");
  }
  HttpResponse response;
  response.content_type = "application/x-pem-file";
  response.headers.emplace_back("Cache-Control", "no-cache");
  response.body = ca_pem_;
  return response;
}

void AdminRouter::show_metrics(Reply<HttpResponse> reply) {
  metrics_.scrape(
      Reply<MetricsText>(shard_, [reply = std::move(reply)](const Result<MetricsText>& text) mutable {
        if (!text) return reply(problem(503, "the hub is shutting down"));
        HttpResponse response;
        response.content_type = kMetricsType;
        response.body = **text;
        reply(std::move(response));
      }));
}

// Called for requests with a body, which none of these paths takes.
std::optional<HttpResponse> AdminRouter::refuse_early(const HttpRequest& head) {
  if (const auto foreign = foreign_request(head, names_)) return problem(foreign->status, foreign->sentence);
  if (page_of(head)) return only_reads(head) ? problem(400, "this path takes no body") : wrong_verb();
  if (const auto reason = closed()) return api_.reject(head, *reason);
  return api_.refuse_early(head);
}

bool AdminRouter::plans_body(const HttpRequest& head) const { return api_.plans_body(head); }

void AdminRouter::plan_body(const HttpRequest& head, Reply<BodyPlan> reply) {
  api_.plan_body(head, std::move(reply));
}

void AdminRouter::handle(const HttpRequest& request, Reply<HttpResponse> reply) {
  if (const auto foreign = foreign_request(request, names_))
    return reply(problem(foreign->status, foreign->sentence));
  if (const auto page = page_of(request)) {
    if (!only_reads(request)) return reply(wrong_verb());
    return *page == Page::metrics ? show_metrics(std::move(reply)) : reply(show(*page));
  }
  if (const auto reason = closed()) return reply(api_.reject(request, *reason));
  api_.handle(request, std::move(reply));
}

HttpResponse AdminRouter::reject(const HttpRequest& request, const Error& error) {
  return api_.reject(request, error);
}

}  // namespace kyanite
