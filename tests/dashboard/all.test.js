// All tests in one process, one after the other, on one hub and in one browser.
import './sign_in.js';
import './devices.js';
import './device.js';
import './hub_pages.js';
import './hostile.js';
import './looks.js';
import './trouble.js';
import './access.js';
import './connected.js';
