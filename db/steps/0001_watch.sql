-- Creates the first monthly partitions of the trail and watches the tables of the first version. From here on their
-- changes are on the record.

select audit.make_partitions();

select audit.watch('accounts.users', 'User', redacted => '{password_hash}', personal => '{email,name}');
select audit.watch('accounts.sessions', 'Session', parent => 'user_id', redacted => '{token_hash}',
                   personal => '{address,user_agent}');
select audit.watch('inventory.products', 'Product');
select audit.watch('inventory.product_colors', 'ProductColor', parent => 'product_id');
select audit.watch('inventory.product_color_stocks', 'ProductColorStock', parent => 'product_id');
select audit.watch('inventory.inward_logs', 'InwardLog', parent => 'product_id');
select audit.watch('inventory.sales_logs', 'SalesLog', parent => 'product_id');
select audit.watch('inventory.stock_adjustments', 'StockAdjustment', parent => 'product_id');
-- The name of a shop or an agency is often that of its owner.
select audit.watch('inventory.customers', 'Customer', personal => '{store_name,gst_number,phone,address,pincode}');
select audit.watch('inventory.agencies', 'Agency',
                   personal => '{agency_name,owner_mobile,accounts_mobile,gst_number,address,pincode}');
select audit.watch('inventory.order_counters', 'OrderCounter');
select audit.watch('inventory.orders', 'Order', parent => 'customer_id');
select audit.watch('inventory.order_lines', 'OrderLine', parent => 'order_id');
select audit.watch('inventory.reason_policies', 'ReasonPolicy');
