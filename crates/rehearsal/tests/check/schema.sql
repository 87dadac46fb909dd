-- The schema that the examples start from, as pg_dump writes it.
SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
CREATE SCHEMA app;
CREATE DOMAIN public.positive AS integer;
CREATE TABLE public.users (
    id integer NOT NULL,
    email text,
    age public.positive
);
CREATE TABLE public.orders (
    id bigint NOT NULL,
    user_id integer NOT NULL,
    amount integer,
    note text,
    placed_at timestamp without time zone
);
CREATE TABLE public.invoices (
    id bigint NOT NULL,
    order_id bigint
);
CREATE TABLE public.events (
    at date NOT NULL,
    payload text
)
PARTITION BY RANGE (at);
CREATE TABLE public.events_2025 (
    at date NOT NULL,
    payload text
);
CREATE TABLE public.events_2026 (
    at date NOT NULL,
    payload text
);
ALTER TABLE ONLY public.events ATTACH PARTITION public.events_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE MATERIALIZED VIEW public.totals AS
 SELECT orders.user_id, count(*) AS n FROM public.orders GROUP BY orders.user_id
  WITH NO DATA;
ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
CREATE INDEX orders_user_idx ON public.orders USING btree (user_id);
CREATE UNIQUE INDEX totals_user_idx ON public.totals USING btree (user_id);
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.invoices ADD CONSTRAINT invoices_order_fk FOREIGN KEY (order_id) REFERENCES public.orders(id);
REFRESH MATERIALIZED VIEW public.totals;
