// SPDX-License-Identifier: GPL-2.0-only
/*
 * labnic's table: one for all devices, as a packet engine has one for all of its ports.
 *
 * Packets are looked up under RCU, from softirq. All else holds table_lock, which is innermost: the kernel's offload
 * workers and nf_tables (which hold flow_block_lock), device changes (which hold rtnl), faults and debugfs take it.
 * An orphan is an entry that neither the kernel nor any packet finds, but that debugfs still shows.
 *
 * Copyright (c) 2026, the kmod.nft_offload authors
 */
#include <linux/hashtable.h>
#include <linux/idr.h>
#include <linux/jhash.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include <net/pkt_cls.h>

#include "labnic.h"

static DEFINE_MUTEX(table_lock);
static DEFINE_HASHTABLE(tuples, 12);
static DEFINE_HASHTABLE(cookies, 12);
static DEFINE_IDR(entries);

static u32 tuple_hash(const struct labnic_tuple *tuple)
{
	return jhash(tuple, sizeof(*tuple), 0);
}

/* The flow of a packet that arrives at `in`; under rcu_read_lock(). */
struct labnic_flow *labnic_table_lookup(const struct net_device *in, const struct labnic_tuple *tuple)
{
	struct labnic_flow *flow;

	hash_for_each_possible_rcu(tuples, flow, by_tuple, tuple_hash(tuple))
		if (flow->in == in && !memcmp(&flow->orig, tuple, sizeof(*tuple)))
			return flow;
	return NULL;
}

static bool orphaned(const struct labnic_flow *flow)
{
	return !flow->binding;
}

static struct labnic_flow *find(const struct labnic_binding *binding, unsigned long cookie)
{
	struct labnic_flow *flow;

	hash_for_each_possible(cookies, flow, by_cookie, cookie)
		if (flow->cookie == cookie && flow->binding == binding)
			return flow;
	return NULL;
}

/* Whether the table has the opposite direction of the same connection */
static bool has_reverse(const struct labnic_flow *flow)
{
	const struct labnic_flow *other;
	int index;

	idr_for_each_entry(&entries, other, index)
		if (!orphaned(other) &&
		    other->orig.family == flow->orig.family && other->orig.proto == flow->orig.proto &&
		    other->orig.sport == flow->new.dport && other->orig.dport == flow->new.sport &&
		    ipv6_addr_equal(&other->orig.src, &flow->new.dst) &&
		    ipv6_addr_equal(&other->orig.dst, &flow->new.src))
			return true;
	return false;
}

/* After this neither packets nor the kernel find it. */
static void detach(struct labnic_flow *flow)
{
	hash_del_rcu(&flow->by_tuple);
	hash_del(&flow->by_cookie);
	labnic(flow->in)->flows--;
	flow->binding = NULL;
}

static void discard(struct labnic_flow *flow)
{
	if (!orphaned(flow))
		detach(flow);
	idr_remove(&entries, flow->index);
	kfree_rcu(flow, rcu);
}

/* Take ownership of the flow, unless this fails. EEXIST, as with MediaTek, when the kernel offers it again. */
int labnic_table_add(struct labnic_flow *flow)
{
	struct labnic *nic = labnic(flow->in);
	bool known;
	int err;

	mutex_lock(&table_lock);
	err = -EOPNOTSUPP;
	if (flow->binding->gone || !netif_running(flow->in) || !netif_running(flow->out) || !tc_can_offload(flow->in))
		goto unlock;
	err = -EEXIST;
	rcu_read_lock();
	known = labnic_table_lookup(flow->in, &flow->orig);
	rcu_read_unlock();
	if (known || find(flow->binding, flow->cookie))
		goto unlock;
	err = -EOPNOTSUPP;
	if (labnic_has(flow->in, LABNIC_ONE_WAY) && has_reverse(flow))
		goto unlock;
	err = -ENOSPC;
	if (labnic_has(flow->in, LABNIC_MAX_FLOWS) && nic->flows >= nic->max_flows)
		goto unlock;
	err = idr_alloc_cyclic(&entries, flow, 0, LABNIC_ENTRIES, GFP_KERNEL);
	if (err < 0)
		goto unlock;
	flow->index = err;
	nic->flows++;
	hash_add(cookies, &flow->by_cookie, flow->cookie);
	hash_add_rcu(tuples, &flow->by_tuple, tuple_hash(&flow->orig));
	err = 0;
unlock:
	mutex_unlock(&table_lock);
	return err;
}

int labnic_table_remove(const struct labnic_binding *binding, unsigned long cookie)
{
	struct labnic_flow *flow;

	mutex_lock(&table_lock);
	flow = find(binding, cookie);
	if (flow)
		discard(flow);
	mutex_unlock(&table_lock);
	return flow ? 0 : -ENOENT;
}

/* Packets and bytes since the last call, and when the flow was used last */
int labnic_table_stats(const struct labnic_binding *binding, unsigned long cookie, struct flow_stats *stats)
{
	struct labnic_flow *flow;
	u64 packets, bytes;

	mutex_lock(&table_lock);
	flow = find(binding, cookie);
	if (flow && !flow->unbound) {
		packets = atomic64_read(&flow->packets);
		bytes = atomic64_read(&flow->bytes);
		flow_stats_update(stats, bytes - flow->reported_bytes, packets - flow->reported_packets, 0,
				  READ_ONCE(flow->lastused), FLOW_ACTION_HW_STATS_DELAYED);
		flow->reported_packets = packets;
		flow->reported_bytes = bytes;
	}
	mutex_unlock(&table_lock);
	return flow ? 0 : -ENOENT;
}

/* A flowtable is unbound. The kernel destroys none of its flows after that, so remove them all. */
void labnic_table_unbind(struct labnic_binding *binding)
{
	struct labnic_flow *flow;
	int index;

	mutex_lock(&table_lock);
	binding->gone = true;
	idr_for_each_entry(&entries, flow, index)
		if (flow->binding == binding)
			discard(flow);
	mutex_unlock(&table_lock);
}

/* A device goes down: remove the flows that arrive at it or leave through it. */
void labnic_table_drop(const struct net_device *dev)
{
	struct labnic_flow *flow;
	int index;

	mutex_lock(&table_lock);
	idr_for_each_entry(&entries, flow, index)
		if (!orphaned(flow) && (flow->in == dev || flow->out == dev))
			discard(flow);
	mutex_unlock(&table_lock);
}

/* Remove the flows that arrive at `in` without notice to the kernel, or make orphans of them. */
void labnic_table_flush(const struct net_device *in, bool leave_orphans)
{
	struct labnic_flow *flow;
	int index;

	mutex_lock(&table_lock);
	idr_for_each_entry(&entries, flow, index) {
		if (orphaned(flow) || flow->in != in)
			continue;
		if (leave_orphans)
			detach(flow);
		else
			discard(flow);
	}
	mutex_unlock(&table_lock);
}

void labnic_table_drop_orphans(const struct net_device *in)
{
	struct labnic_flow *flow;
	int index;

	mutex_lock(&table_lock);
	idr_for_each_entry(&entries, flow, index)
		if (orphaned(flow) && flow->in == in)
			discard(flow);
	mutex_unlock(&table_lock);
}

/* Call `act` for every entry, including orphans, in the order of the table. */
void labnic_table_for_each(void (*act)(const struct labnic_flow *flow, void *data), void *data)
{
	const struct labnic_flow *flow;
	int index;

	mutex_lock(&table_lock);
	idr_for_each_entry(&entries, flow, index)
		act(flow, data);
	mutex_unlock(&table_lock);
}
