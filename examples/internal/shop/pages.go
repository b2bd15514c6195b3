package shop

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	session "github.com/sessionstate/sessionstate/core"
)

// Products shows the shelf and counts the visit, so it needs a session that can
// be written: Exclusive.
func (sh *Shop) Products(s *session.Session, _ Form) (Result, error) {
	visits, err := visitsKey.Get(s)
	if err != nil {
		return Result{}, err
	}
	visits++
	if err := visitsKey.Set(s, visits); err != nil {
		return Result{}, err
	}
	p, err := visitor(s, page{Title: "Products", Here: "products", Data: struct {
		Products []Product
		Visits   int
	}{sh.products, visits}})
	if err != nil {
		return Result{}, err
	}
	if p.Flash, _, err = flashKey.Take(s); err != nil {
		return Result{}, err
	}
	return sh.render(http.StatusOK, "products", p)
}

// AddToCart puts one of a product into the cart. Exclusive: two clicks that
// overlap must both count.
func (sh *Shop) AddToCart(s *session.Session, form Form) (Result, error) {
	product, ok := sh.product(form("sku"))
	if !ok {
		return sh.Problem(http.StatusUnprocessableEntity, "There is no such product."), nil
	}
	cart, err := cartKey.Get(s)
	if err != nil {
		return Result{}, err
	}
	if err := cart.Add(product.SKU); errors.Is(err, errCartFull) {
		return sh.Problem(http.StatusUnprocessableEntity, "The cart is full: "+err.Error()+"."), nil
	}
	if err := cartKey.Set(s, cart); err != nil {
		return Result{}, err
	}
	if err := flashKey.Set(s, product.Name+" is in your cart."); err != nil {
		return Result{}, err
	}
	return sh.redirect("/"), nil
}

// Cart shows the cart and changes nothing: ReadOnly.
func (sh *Shop) Cart(s *session.Session, _ Form) (Result, error) {
	cart, err := cartKey.Get(s)
	if err != nil {
		return Result{}, err
	}
	type line struct {
		Product
		Quantity int
		Sum      Cents
	}
	var data struct {
		Lines []line
		Total Cents
	}
	for _, l := range cart.Lines {
		product, ok := sh.product(l.SKU)
		if !ok {
			continue // no longer sold
		}
		sum := product.Price * Cents(l.Quantity)
		data.Lines = append(data.Lines, line{product, l.Quantity, sum})
		data.Total += sum
	}
	p, err := visitor(s, page{Title: "Your cart", Here: "cart", Data: data})
	if err != nil {
		return Result{}, err
	}
	return sh.render(http.StatusOK, "cart", p)
}

// RemoveFromCart takes a product out of the cart.
func (sh *Shop) RemoveFromCart(s *session.Session, form Form) (Result, error) {
	cart, err := cartKey.Get(s)
	if err != nil {
		return Result{}, err
	}
	if cart.Remove(form("sku")) {
		if err := cartKey.Set(s, cart); err != nil {
			return Result{}, err
		}
	}
	return sh.redirect("/cart"), nil
}

// Order buys what is in the cart, which here only empties it.
func (sh *Shop) Order(s *session.Session, _ Form) (Result, error) {
	cart, found, err := cartKey.Take(s)
	if err != nil {
		return Result{}, err
	}
	if !found || cart.Count() == 0 {
		return sh.Problem(http.StatusUnprocessableEntity, "The cart is empty: there is nothing to order."), nil
	}
	if err := flashKey.Set(s, fmt.Sprintf("Thank you! %d on the way, in a manner of speaking.", cart.Count())); err != nil {
		return Result{}, err
	}
	return sh.redirect("/"), nil
}

// loginForm is what the login page shows.
type loginForm struct {
	Name    string
	Problem string
	Left    bool // just logged out
}

// LoginPage shows the login form, and changes nothing: ReadOnly.
func (sh *Shop) LoginPage(s *session.Session, form Form) (Result, error) {
	return sh.loginPage(s, http.StatusOK, loginForm{Left: form("left") != ""})
}

func (sh *Shop) loginPage(s *session.Session, status int, form loginForm) (Result, error) {
	p, err := visitor(s, page{Title: "Log in", Here: "login", Data: form})
	if err != nil {
		return Result{}, err
	}
	return sh.render(status, "login", p)
}

// Login logs a visitor in under any name. The session goes on, cart and all,
// under a new ID: who knew the old one, and may have planted it in this
// browser, does not know the one that is logged in.
func (sh *Shop) Login(s *session.Session, form Form) (Result, error) {
	name := strings.TrimSpace(form("name"))
	if problem := nameProblem(name); problem != "" {
		return sh.loginPage(s, http.StatusUnprocessableEntity, loginForm{Name: name, Problem: problem})
	}
	if err := sh.Welcome(s, name, name); err != nil {
		return Result{}, err
	}
	return sh.redirect("/"), nil
}

// Welcome logs a visitor in of whom it has been found out who it is. The
// session becomes the owner's.
func (*Shop) Welcome(s *session.Session, name, owner string) error {
	return errors.Join(
		s.Renew(), // takes effect together with what follows, or not at all
		s.SetOwner(owner),
		userKey.Set(s, name),
		flashKey.Set(s, "Welcome, "+name+"."),
	)
}

// User returns who is logged in, or "".
func (*Shop) User(s *session.Session) (string, error) { return userKey.Get(s) }

const maxName = 40

// nameProblem says what is wrong with a name, or "".
func nameProblem(name string) string {
	switch {
	case name == "":
		return "Please enter a name."
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "Please enter a name of letters, digits and signs."
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Sprintf("Please enter a name of at most %d characters.", maxName)
	}
	return ""
}

// Logout ends the session: its data and its cookie are gone when this request
// ends, and no request that is still under way can bring it back. Abandon works
// in every mode, so Snapshot: nobody has to wait to log out.
func (sh *Shop) Logout(s *session.Session, _ Form) (Result, error) {
	if err := s.Abandon(); err != nil {
		return Result{}, err
	}
	if sh.cfg.LoginElsewhere {
		return sh.redirect("/"), nil
	}
	return sh.redirect("/login?left=1"), nil
}

func (sh *Shop) product(sku string) (Product, bool) {
	for _, p := range sh.products {
		if p.SKU == sku {
			return p, true
		}
	}
	return Product{}, false
}
