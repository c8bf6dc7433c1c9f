-- The first reason policies: what needs a reason until an admin changes them.

insert into inventory.reason_policies (entity, field)
values ('StockAdjustment', '*'), ('Product', 'unit_price'), ('User', 'role');
