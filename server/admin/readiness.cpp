#include "server/admin/readiness.h"

namespace kyanite {

std::vector<Readiness::Missing> Readiness::missing() const {
  std::vector<Missing> out;
  switch (phase()) {
    case Phase::applying_seed:
      out.push_back({"seed", "the start file is being applied"});
      out.push_back({"listeners", "not open yet"});
      break;
    case Phase::opening_listeners:
      out.push_back({"listeners", "not open yet"});
      break;
    case Phase::serving:
      break;
    case Phase::draining:
      out.push_back({"listeners", "closed: the hub is shutting down"});
      break;
  }
  // A full queue passes in milliseconds and is what back-pressure is for; a full disk does not.
  if (stores_.pressure() == StorePressure::disk_low) {
    out.push_back({"store", "takes no writes: less free space than storage.freeBytesFloor"});
  }
  return out;
}

}  // namespace kyanite
