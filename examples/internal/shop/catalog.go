package shop

import (
	"errors"
	"fmt"
)

// Product is something to buy.
type Product struct {
	SKU   string // what forms and carts call it
	Name  string
	About string
	Price Cents
}

// Cents is an amount of money.
type Cents int

// String returns the amount as a price tag says it.
func (c Cents) String() string { return fmt.Sprintf("€%d.%02d", c/100, c%100) }

// catalog returns the products in the order of the shelf.
func catalog() []Product {
	return []Product{
		{"mug", "Mug", "Holds a pint and one session at a time.", 1200},
		{"notebook", "Notebook", "Ninety-six pages, none of them lost.", 850},
		{"pencil", "Pencil", "Writes, and waits its turn to.", 180},
		{"lamp", "Desk lamp", "Warm light for long requests.", 4900},
		{"plant", "House plant", "Idles for weeks without timing out.", 1650},
		{"clock", "Wall clock", "The only one that counts.", 2700},
	}
}

// Cart is what somebody is about to buy. It goes into the session as JSON.
type Cart struct {
	Lines []Line `json:"lines"`
}

// Line is one product in a cart.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// maxQuantity is how many of one product a cart holds.
const maxQuantity = 99

// errCartFull is what the visitor is told who wants more than maxQuantity.
var errCartFull = errors.New("that is as many of them as a cart holds")

// Add puts one more of a product into the cart.
func (c *Cart) Add(sku string) error {
	for i := range c.Lines {
		if line := &c.Lines[i]; line.SKU == sku {
			if line.Quantity >= maxQuantity {
				return errCartFull
			}
			line.Quantity++
			return nil
		}
	}
	c.Lines = append(c.Lines, Line{SKU: sku, Quantity: 1})
	return nil
}

// Remove takes all of a product out of the cart and reports whether there was
// any.
func (c *Cart) Remove(sku string) bool {
	for i, line := range c.Lines {
		if line.SKU == sku {
			c.Lines = append(c.Lines[:i], c.Lines[i+1:]...)
			return true
		}
	}
	return false
}

// Count returns how many things are in the cart.
func (c *Cart) Count() (n int) {
	for _, line := range c.Lines {
		n += line.Quantity
	}
	return n
}
