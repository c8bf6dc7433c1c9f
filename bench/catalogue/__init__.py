"""The Django app of django-pghistory in bench/audit_write.py."""
