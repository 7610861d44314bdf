"""What goods are called, for whoever knows only their ids."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.models import Category, Product


def product_names(session: Session, merchant_id: int) -> dict[int, str]:
    """All of a merchant's, on sale or not: a menu is small, and one read serves a whole page."""
    found = select(Product.id, Product.name).where(Product.merchant_id == merchant_id)
    return dict(session.execute(found).all())


def category_names(session: Session, merchant_id: int) -> dict[int, str]:
    """In the order of the menu."""
    found = select(Category.id, Category.name).where(Category.merchant_id == merchant_id)
    return dict(session.execute(found.order_by(Category.sort, Category.id)).all())
