#pragma once

namespace kyanite {

class FaultControl;
class StoreControl;

// What tests may do to a hub that runs with the setting testControl, beside shifting its clock.
struct TestControl {
  FaultControl& faults;
  StoreControl* store = nullptr;  // null where the store cannot be changed
};

}  // namespace kyanite
