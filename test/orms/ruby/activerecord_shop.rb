# frozen_string_literal: true

# eventlog by ActiveRecord; the steps are those of ../check.py. Needs PG* variables.
require 'active_record'
require 'json'

ActiveRecord::Base.establish_connection(adapter: 'postgresql', pool: 1)

class PlacedOrder < ActiveRecord::Base
  self.table_name = 'placed_order'
end

class BilledOrder < ActiveRecord::Base
  self.table_name = 'billed_order'
end

# An event. It has no key of one column, and without one ActiveRecord does not ask for what the server gave.
class Order < ActiveRecord::Base
  self.table_name = 'events.orders'
  self.primary_key = nil
end

# The steps.
module Steps
  module_function

  def insert
    Order.create!(key: 'single', value: { amount: 1 })
  end

  def bulk
    Order.insert_all!((1..50).map { |n| { key: "bulk-#{n}", value: { amount: n } } })
  end

  def rollback
    Order.transaction do
      Order.create!(key: 'undone', value: { amount: 1 })
      PlacedOrder.create!(id: 'undone', amount: 1)
      call_produce('undone', 2)
      raise ActiveRecord::Rollback
    end
  end

  def together
    Order.transaction do
      PlacedOrder.create!(id: 'together', amount: 7)
      Order.create!(key: 'together', value: { amount: 7 })
    end
  end

  def produce
    Order.transaction do
      PlacedOrder.create!(id: 'produced', amount: 8)
      call_produce('produced', 8)
    end
  end

  def consume
    [true, false].each do |undo|
      Order.transaction do
        Order.find_by_sql("SELECT * FROM eventlog.consume('billing', 'events.orders')").each do |event|
          BilledOrder.create!(id: event.key, amount: event.value['amount'])
        end
        Order.connection.select_value("SELECT eventlog.commit('billing')")
        raise ActiveRecord::Rollback if undo
      end
    end
  end

  def columns
    puts JSON.generate(Order.column_names)
  end

  # what "rails db:schema:dump" would change in schema.rb
  def diff
    IO.popen(['diff', '--ignore-blank-lines', '--ignore-matching-lines=^ *#', "#{__dir__}/schema.rb", '-'], 'r+') do |diff|
      ActiveRecord::SchemaDumper.dump(ActiveRecord::Base.connection, diff)
      diff.close_write
      puts diff.read
    end
  end
  alias exposed diff
  module_function :exposed

  def call_produce(key, amount)
    call = ["SELECT eventlog.produce('events.orders', ?, ?)", key, { amount: amount }.to_json]
    Order.connection.select_value(Order.sanitize_sql(call))
  end
end

Steps.public_send(ARGV.fetch(0))
