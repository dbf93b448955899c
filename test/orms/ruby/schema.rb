# What "rails db:schema:dump" writes of ../schema.sql: the application's tables, and that there is an extension.
ActiveRecord::Schema.define(version: 0) do

  # These are extensions that must be enabled in order to support this database
  enable_extension "eventlog"
  enable_extension "plpgsql"

  create_table "billed_order", id: { type: :string, limit: 40 }, force: :cascade do |t|
    t.integer "amount"
  end

  create_table "placed_order", id: { type: :string, limit: 40 }, force: :cascade do |t|
    t.integer "amount"
  end

end
