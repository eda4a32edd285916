#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/reply.h"
#include "protocol/query/query.h"
#include "server/hub/device_messages.h"
#include "storage/identity_store.h"

namespace kyanite {

class DeviceRouter;

// A page of those that were chosen.
struct TargetPage {
  std::vector<Identity> targets;  // in order
  std::string end;                // the last device that was looked at
  bool last = false;              // there are no more devices
};

// TargetScan goes through all devices, or all modules, in the order of device ids, and chooses some by their
// twin as it is when each is looked at (the rows of service-rest.md 6.4).
//
// Owner: whoever asks, on one shard; one page at a time. Bound: limits::kTargetPageMax devices a page.
class TargetScan {
 public:
  // The document of a twin.
  using RowOf = Result<Json> (*)(const IdentityView&, const TwinRecord&);
  // Sees each twin; nothing chooses all without looking.
  using Chooser = std::function<bool(const Json& row)>;
  struct Services {
    Executor& home;
    DeviceRouter& router;
    IdentityStore& identities;
    RowOf row_of;
  };
  TargetScan(const Services& services, QuerySource source, Chooser chooser);

  // The devices with an id after `after`. What is deleted meanwhile is left out. Errors: busy,
  // storage_failed, shutting_down.
  void next(std::string after, Reply<TargetPage> reply);

 private:
  struct Page;
  static void look_at(const std::shared_ptr<Page>& page, Identity device);
  static void judge(const std::shared_ptr<Page>& page, Identity id);
  static void note(const std::shared_ptr<Page>& page, const Error& error);
  static void settle(const std::shared_ptr<Page>& page);

  const Services services_;
  const QuerySource source_;
  // A page that is under way goes on without the scan.
  std::shared_ptr<const Chooser> chooser_;
};

}  // namespace kyanite
