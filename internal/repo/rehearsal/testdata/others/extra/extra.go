// Package extra is another framework.
package extra

import _ "example.com/base" // at a higher version

// Extra is extra.
const Extra = 1
