#include "server/hub/edge_content.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "server/hub/configuration_record.h"
#include "server/hub/device_router.h"

namespace kyanite {
namespace {

constexpr std::string_view kManager = "iotEdge";

// One device on its way: what is left to do, the next step last.
struct EdgeContent : std::enable_shared_from_this<EdgeContent> {
  EdgeContent(Executor& h, DeviceRouter& r, std::string d, EdgeDeployment w, Reply<void> a)
      : home(h), router(r), device(std::move(d)), wanted(std::move(w)), reply(std::move(a)) {}

  Executor& home;
  DeviceRouter& router;
  std::string device;
  EdgeDeployment wanted;
  Reply<void> reply;
  std::vector<std::string> to_erase;
  std::vector<std::string> to_create;
  struct Write {
    std::string module;
    std::optional<Json> desired;  // nothing: only what it says of deployments
  };
  std::vector<Write> to_write;

  void start() {
    GetIdentity question;
    question.identity = {device, {}};
    question.reply = Reply<IdentityView>(home, [self = shared_from_this()](const Result<IdentityView>& view) {
      if (!view) return self->reply(view.error());
      if (!view->record.iot_edge) {
        return self->reply(Error(Errc::argument_invalid, "the device is no edge device"));
      }
      self->list();
    });
    router.send(std::move(question));
  }

  void list() {
    ListModules question;
    question.device = device;
    question.reply = Reply<std::vector<IdentityView>>(
        home, [self = shared_from_this()](const Result<std::vector<IdentityView>>& present) {
          if (!present) return self->reply(present.error());
          self->plan(*present);
        });
    router.send(std::move(question));
  }

  void plan(const std::vector<IdentityView>& present) {
    if (!wanted.modules) {
      for (const IdentityView& view : present) to_write.push_back({view.record.id.module, std::nullopt});
      return next();
    }
    const Json& modules = *wanted.modules;
    for (const auto& [module, content] : members_of(modules)) {
      Result<Json> desired = desired_of_content(content);
      if (!desired) return reply(desired.error());
      if (!is_valid_id(module)) return reply(Error(Errc::argument_invalid, "a module ID is invalid"));
      const bool there = std::any_of(
          present.begin(), present.end(),
          [&module = module](const IdentityView& view) { return view.record.id.module == module; });
      if (!there && module.starts_with('$')) {
        return reply(Error(Errc::argument_invalid, "system modules are $edgeAgent and $edgeHub"));
      }
      if (!there) to_create.push_back(module);
      to_write.push_back({module, std::move(*desired)});
    }
    for (const IdentityView& view : present) {
      const std::string& module = view.record.id.module;
      if (view.record.managed_by == kManager && !module.starts_with('$') && !modules.contains(module)) {
        to_erase.push_back(module);
      } else if (wanted.statuses && !modules.contains(module)) {
        to_write.push_back({module, std::nullopt});  // it is no part of the deployments any more
      }
    }
    next();
  }

  // Room is made before it is taken.
  void next() {
    if (!to_erase.empty()) return erase();
    if (!to_create.empty()) return create();
    if (!to_write.empty()) return write();
    reply({});
  }

  template <class T>
  Reply<T> then_next(Errc ignored) {
    return Reply<T>(home, [self = shared_from_this(), ignored](const Result<T>& done) {
      if (!done && done.error().code != ignored) return self->reply(done.error());
      self->next();
    });
  }

  void erase() {
    DeleteIdentity message;
    message.identity = {device, std::move(to_erase.back())};
    message.if_match = IfMatch{true, {}};
    to_erase.pop_back();
    message.reply = then_next<void>(Errc::module_not_found);
    router.send(std::move(message));
  }

  void create() {
    PutIdentity message;
    message.wanted.id = {device, std::move(to_create.back())};
    message.wanted.managed_by = kManager;
    to_create.pop_back();
    message.reply = then_next<IdentityView>(Errc::module_already_exists);
    router.send(std::move(message));
  }

  void write() {
    Write step = std::move(to_write.back());
    to_write.pop_back();
    UpdateTwin message;
    message.mode = UpdateTwin::Mode::replace_desired;
    message.author = wanted.author;
    if (wanted.statuses) {
      const bool takes_part = step.desired || !wanted.modules;
      message.deployment_statuses = takes_part ? *wanted.statuses : Json::object();
    }
    message.identity = {device, std::move(step.module)};
    message.desired = std::move(step.desired);
    message.reply = then_next<TwinView>(Errc::module_not_found);
    router.send(std::move(message));
  }
};

}  // namespace

void apply_edge_content(Executor& home, DeviceRouter& router, std::string device, EdgeDeployment deployment,
                        Reply<void> reply) {
  std::make_shared<EdgeContent>(home, router, std::move(device), std::move(deployment), std::move(reply))
      ->start();
}

}  // namespace kyanite
