package wire

// Number is the name of what each session holds whose end is told.
const Number = "number"

// What happens to an end in a process, in order.
const (
	Claimed Kind = "claimed" // the store has given it to this process
	Begun   Kind = "begun"   // OnEnd was called
	Told    Kind = "told"    // OnEnd is about to return nil
)

// End is one line of the journal of a process that tells of ends.
type End struct {
	Kind    Kind   `json:"k"`
	Key     string `json:"key"`
	Attempt int    `json:"attempt"`
	// What follows is not said of what is claimed.
	Token  string `json:"token,omitempty"`
	Number int    `json:"number,omitempty"`
	Reason string `json:"reason,omitempty"`
	Owner  string `json:"owner,omitempty"`
}
