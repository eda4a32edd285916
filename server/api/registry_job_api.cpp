#include "server/api/registry_job_api.h"

#include <utility>

#include "server/api/api_response.h"
#include "server/api/registry_jobs.h"

namespace kyanite {
namespace {

RegistryJobs& jobs_of(const ApiCall& call) {
  KYANITE_ASSERT(call.context.services.registry_jobs != nullptr);
  return *call.context.services.registry_jobs;
}

HttpResponse job_response(const RegistryJob& job) { return json_response(registry_job_to_json(job)); }

}  // namespace

void create_registry_job(const ApiCall& call, Reply<HttpResponse> reply) {
  Result<RegistryJobRequest> request = parse_registry_job_request(call.request.body);
  if (!request) return reply(request.error());
  jobs_of(call).create(std::move(*request), answer_with<RegistryJob>(call.context.services.executor,
                                                                     std::move(reply), job_response));
}

void list_registry_jobs(const ApiCall& call, Reply<HttpResponse> reply) {
  jobs_of(call).list(answer_with<std::vector<RegistryJob>>(call.context.services.executor, std::move(reply),
                                                           [](const std::vector<RegistryJob>& jobs) {
                                                             Json list = Json::array();
                                                             for (const RegistryJob& job : jobs)
                                                               list.push_back(registry_job_to_json(job));
                                                             return json_response(list);
                                                           }));
}

void get_registry_job(const ApiCall& call, Reply<HttpResponse> reply) {
  jobs_of(call).get(call.route.parameters.at(0),
                    answer_with<RegistryJob>(call.context.services.executor, std::move(reply), job_response));
}

void cancel_registry_job(const ApiCall& call, Reply<HttpResponse> reply) {
  jobs_of(call).cancel(call.route.parameters.at(0),
                       answer_with<void>(call.context.services.executor, std::move(reply), no_content));
}

}  // namespace kyanite
