#include "server/api/job_api.h"

#include <utility>

#include "protocol/base/base64.h"
#include "server/api/api_response.h"
#include "server/api/job_json.h"
#include "server/api/page_size.h"

namespace kyanite {
namespace {

constexpr std::string_view kTokenHead = "jobs/";

// The last job of the page before.
Result<std::string> jobs_after(const HttpRequest& request) {
  const auto token = request.header("x-ms-continuation");
  if (!token || token->empty()) return std::string();
  const auto text = decode_base64(*token);
  if (!text || !text->starts_with(kTokenHead)) {
    return Error(Errc::argument_invalid, "x-ms-continuation is not one of this list");
  }
  return text->substr(kTokenHead.size());
}

HttpResponse job_page_response(const JobPage& page) {
  Json array = Json::array();
  for (const JobView& view : page.jobs) array.push_back(job_to_json(view));
  HttpResponse response = json_response(array);
  response.headers.emplace_back("x-ms-item-type", "JobResponse");
  if (page.more) {
    response.headers.emplace_back("x-ms-continuation",
                                  encode_base64(std::string(kTokenHead) + page.jobs.back().job.id));
  }
  return response;
}

HttpResponse job_response(const JobView& view) { return json_response(job_to_json(view)); }

}  // namespace

void put_job(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  Result<JobRecord> job = parse_job(call.request.body, call.route.parameters.at(0), hub.executor.wall_now());
  if (!job) return reply(job.error());
  hub.jobs.create(std::move(*job), answer_with<JobView>(hub.executor, std::move(reply), job_response));
}

void get_job(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  const std::string& id = call.route.parameters.at(0);
  hub.jobs.get(id, answer_with<std::optional<JobView>>(
                       hub.executor, std::move(reply), [id](const std::optional<JobView>& view) {
                         if (view) return job_response(*view);
                         return json_response({{"jobId", id}, {"type", "unknown"}, {"status", "unknown"}});
                       }));
}

void cancel_job(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.jobs.cancel(call.route.parameters.at(0),
                  answer_with<JobView>(hub.executor, std::move(reply), job_response));
}

void query_jobs(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  Result<JobFilter> filter =
      parse_job_filter(call.request.query_value("jobtype"), call.request.query_value("jobstatus"));
  if (!filter) return reply(filter.error());
  const Result<std::size_t> limit = rows_of_page(call.request);
  if (!limit) return reply(limit.error());
  Result<std::string> after = jobs_after(call.request);
  if (!after) return reply(after.error());
  hub.jobs.list(std::move(*filter), std::move(*after), *limit,
                answer_with<JobPage>(hub.executor, std::move(reply), job_page_response));
}

}  // namespace kyanite
