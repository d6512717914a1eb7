"""Oscar with its REST API: https://django-oscar-api.readthedocs.io/"""

PACKAGES = ["django-oscar-api==3.3.0", "easy-thumbnails==2.10.1", "gunicorn==26.2.0", "setuptools<81"]
SETTINGS = "shop.settings"
MANAGE = "{state}/app/manage.py"
PREPARE = [["python", "{manage}", "migrate", "--no-input"]]
PASSWORD = "correct horse 1"
SEED = f"""
from decimal import Decimal
from django.contrib.auth import get_user_model
from oscar.core.loading import get_model
for name in "admin", "alice", "off":
    make = get_user_model().objects.create_superuser if name == "admin" else get_user_model().objects.create_user
    make(name, f"{{name}}@example.com", "{PASSWORD}", is_active=name != "off")
kind = get_model("catalogue", "ProductClass").objects.create(name="Book", track_stock=False)
book = get_model("catalogue", "Product").objects.create(product_class=kind, title="A book", upc="1")
partner = get_model("partner", "Partner").objects.create(name="Partner")
get_model("partner", "StockRecord").objects.create(product=book, partner=partner, partner_sku="1", price=Decimal(10))
"""


def files(place):
    return {
        "app/manage.py": """
import os, sys
if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
""",
        "app/shop/__init__.py": "",
        "app/shop/settings.py": f"""
from oscar.defaults import *
SECRET_KEY = "oscar-throwaway-secret-key-0123456789-0123456789"
ALLOWED_HOSTS = ["localhost"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{place.state}/db.sqlite3"}}}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.sites", "django.contrib.messages", "django.contrib.flatpages", "django.contrib.staticfiles",
    "oscar.config.Shop",
    *["oscar.apps." + name for name in (
        "analytics.apps.AnalyticsConfig", "checkout.apps.CheckoutConfig", "address.apps.AddressConfig",
        "shipping.apps.ShippingConfig", "catalogue.apps.CatalogueConfig",
        "catalogue.reviews.apps.CatalogueReviewsConfig", "communication.apps.CommunicationConfig",
        "partner.apps.PartnerConfig", "basket.apps.BasketConfig", "payment.apps.PaymentConfig",
        "offer.apps.OfferConfig", "order.apps.OrderConfig", "customer.apps.CustomerConfig", "search.apps.SearchConfig",
        "voucher.apps.VoucherConfig", "wishlists.apps.WishlistsConfig", "dashboard.apps.DashboardConfig",
        "dashboard.reports.apps.ReportsDashboardConfig", "dashboard.users.apps.UsersDashboardConfig",
        "dashboard.orders.apps.OrdersDashboardConfig", "dashboard.catalogue.apps.CatalogueDashboardConfig",
        "dashboard.offers.apps.OffersDashboardConfig", "dashboard.partners.apps.PartnersDashboardConfig",
        "dashboard.pages.apps.PagesDashboardConfig", "dashboard.ranges.apps.RangesDashboardConfig",
        "dashboard.reviews.apps.ReviewsDashboardConfig", "dashboard.vouchers.apps.VouchersDashboardConfig",
        "dashboard.communications.apps.CommunicationsDashboardConfig",
        "dashboard.shipping.apps.ShippingDashboardConfig",
    )],
    "oscarapi", "rest_framework", "widget_tweaks", "haystack", "treebeard", "django_tables2", "easy_thumbnails",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "oscarapi.middleware.ApiBasketMiddleWare",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend", "django.contrib.auth.backends.ModelBackend",
]
REST_FRAMEWORK = {{"DEFAULT_RENDERER_CLASSES": (
    "rest_framework.renderers.JSONRenderer", "rest_framework.renderers.BrowsableAPIRenderer",
)}}
TEMPLATES = [{{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {{
    "context_processors": [
        "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
        "django.template.context_processors.i18n", "django.contrib.messages.context_processors.messages",
        "oscar.apps.search.context_processors.search_form", "oscar.apps.checkout.context_processors.checkout",
        "oscar.apps.communication.notifications.context_processors.notifications",
        "oscar.core.context_processors.metadata",
    ],
}}}}]
ROOT_URLCONF = "shop.urls"
SITE_ID = 1
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = "{place.state}/static"
MEDIA_URL = "/media/"
MEDIA_ROOT = "{place.state}/media"
HAYSTACK_CONNECTIONS = {{"default": {{"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}}}
OSCAR_THUMBNAILER = "oscar.core.thumbnails.EasyThumbnails"
OSCARAPI_EXPOSE_USER_DETAILS = True
OSCARAPI_BLOCK_ADMIN_API_ACCESS = False
""",
        "app/shop/urls.py": """
from django.apps import apps
from django.contrib import admin
from django.urls import include, path
urlpatterns = [
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("api/", include("oscarapi.urls")),
    path("", include(apps.get_app_config("oscar").urls[0])),
]
""",
        "app/shop/wsgi.py": """
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
""",
    }


def serve(place):
    where = ["--chdir", place.state / "app", "--bind", f"127.0.0.1:{place.port}"]
    return ["gunicorn", "shop.wsgi", *where, "--access-logfile", "-", "--timeout", "120"]


def calls(talk):
    api = "/api"
    open_to_all = ("/", "/products/", "/products/1/", "/baskets/", "/login/", "/countries/", "/products.json")
    guarded = ("/orders/", "/useraddresses/", "/users/2/", "/admin/orders/", "/admin/users/", "/admin/products/1/")
    nobody = talk.client("nobody")
    for path in ("/", "/catalogue/", "/accounts/", "/dashboard/", "/admin/", *(api + path for path in open_to_all)):
        nobody.get(path)
    for path in guarded:
        nobody.get(api + path)
        nobody.request("OPTIONS", api + path)
        nobody.request("HEAD", api + path)
    nobody.post(api + "/basket/add-product/", {"url": "http://localhost/api/products/1/", "quantity": 1})
    nobody.get(api + "/basket/")
    nobody.post(api + "/admin/partners/", {"name": "of nobody"})
    forged = talk.client("forged", Remote_User="admin", X_Remote_User="admin", Portcullis_Assertion="forged")
    for path in guarded[:4]:
        forged.get(api + path)

    for name, password in (("admin", PASSWORD), ("alice", PASSWORD), ("admin", "wrong"), ("off", PASSWORD)):
        basic = talk.basic(f"basic {name}:{password}", name, password)
        basic.user = name if password == PASSWORD and name != "off" else None
        for path in (*guarded, "/login/", "/baskets/"):
            basic.get(api + path)
        basic.request("OPTIONS", api + "/admin/orders/")
        basic.request("HEAD", api + "/orders/")
        basic.post(api + "/admin/partners/", {"name": f"of {name}"})

    wrong = talk.client("wrong password")
    wrong.post(api + "/login/", {"username": "alice@example.com", "password": "wrong"})
    for name in ("admin", "alice"):
        session = talk.client(f"session {name}", name)
        session.post(api + "/login/", {"username": f"{name}@example.com", "password": PASSWORD})
        session.logged_in = True
        for path in ("/accounts/", "/dashboard/", *(api + path for path in (*guarded, "/baskets/", "/login/"))):
            session.get(path)
        session.get("/accounts/profile/edit/")
        session.post(api + "/admin/partners/", {"name": f"no CSRF of {name}"})
        session.write("POST", api + "/admin/partners/", {"name": f"CSRF of {name}"})
        session.write("POST", api + "/basket/add-product/", {"url": "http://localhost/api/products/1/", "quantity": 1})
        session.get(api + "/orders/", Accept="text/html")
        session.write("DELETE", api + "/login/")
        session.get(api + "/orders/")
    browser = talk.client("browser", "alice")
    fields = {"login-username": "alice@example.com", "login-password": PASSWORD, "login_submit": "Log In"}
    browser.log_in("/accounts/login/", **fields)
    for path in ("/accounts/", api + "/orders/", api + "/admin/orders/", "/dashboard/"):
        browser.get(path)


REASONS = {
    r"^40[13] .*cookies .*oscar_open_basket.* → \[\]$": "a refusal of the gateway opens no basket, though a middleware of"
    " the project opens one for each visitor",
    r"^20[01] session .*cookies .*'sessionid', 'set'": "so sessions hold other baskets, and are written at other times",
    r"body .*/api/baskets/\d+/": "so baskets have other numbers",
    r"GET /dashboard/: body": "so there are fewer of them",
}
