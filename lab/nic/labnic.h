/* SPDX-License-Identifier: GPL-2.0-only */
/* labnic: declarations of all files. nic.c describes the driver. Copyright (c) 2026, the kmod.nft_offload authors */
#ifndef LABNIC_H
#define LABNIC_H

#include <linux/atomic.h>
#include <linux/in6.h>
#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/flow_offload.h>

#define LABNIC_TAGS 2		/* VLAN tags that a packet may carry */
#define LABNIC_ENTRIES 16384	/* room in the table */

/* The key of a flow, besides the device. Zeroed as a whole, because it is hashed and compared as bytes. */
struct labnic_tuple {
	struct in6_addr src, dst;	/* an IPv4 address is in the first word */
	__be16 sport, dport;
	u16 vlan[LABNIC_TAGS];		/* outermost first */
	u8 tags;
	u8 family;			/* AF_INET or AF_INET6 */
	u8 proto;			/* IPPROTO_TCP or IPPROTO_UDP */
	u8 pad;
};

/* One end of a pair */
struct labnic {
	struct net_device *peer;
	struct list_head blocks;	/* flowtables bound to this end */
	unsigned long faults;		/* bits of enum labnic_fault; changes under rtnl */
	unsigned int max_flows;		/* with LABNIC_MAX_FLOWS */
	unsigned int flows;		/* in the table, arriving here; protected by the table's mutex */
};

/* A flowtable that is bound to a device. Flows point to it, so that they leave with it. */
struct labnic_binding {
	struct net_device *dev;
	bool gone;			/* protected by the table's mutex */
};

/* One direction of a connection: packets that arrive at `in` and match `orig` leave through `out` as `new`. */
struct labnic_flow {
	struct hlist_node by_tuple;	/* to look packets up by */
	struct hlist_node by_cookie;	/* the kernel's name for it; not hashed once it is orphaned */
	struct rcu_head rcu;
	struct labnic_binding *binding;
	unsigned long cookie;
	int index;
	bool unbound;			/* taken, but packets still go up */
	struct net_device *in, *out;
	struct labnic_tuple orig;
	struct labnic_tuple new;	/* its VLAN tags are those to push */
	bool pppoe;			/* push a PPPoE session header with session id `session` */
	u16 session;
	u8 source[ETH_ALEN], dest[ETH_ALEN];
	atomic64_t packets, bytes;
	u64 reported_packets, reported_bytes;	/* to the kernel, so far */
	unsigned long lastused;		/* jiffies */
};

enum labnic_fault {
	LABNIC_REFUSE_BIND,
	LABNIC_REFUSE_FLOWS,
	LABNIC_ONE_WAY,
	LABNIC_MAX_FLOWS,
	LABNIC_SHARE_BLOCK,
	LABNIC_FAKE,
	LABNIC_UNBOUND,
	LABNIC_NO_COUNTERS,
	LABNIC_FIXED_OFF,
	LABNIC_FIXED_ON,
	LABNIC_KEEP_ON,
};

static inline struct labnic *labnic(const struct net_device *dev)
{
	return netdev_priv(dev);
}

static inline bool labnic_has(const struct net_device *dev, enum labnic_fault fault)
{
	return test_bit(fault, &labnic(dev)->faults);
}

/* nic.c */
bool labnic_is(const struct net_device *dev);
int labnic_for_each(const char *name, int (*act)(struct net_device *dev, void *data), void *data);

/* offload.c */
int labnic_setup_tc(struct net_device *dev, enum tc_setup_type type, void *type_data);

/* table.c: every function but the lookup may sleep */
struct labnic_flow *labnic_table_lookup(const struct net_device *in, const struct labnic_tuple *tuple);
int labnic_table_add(struct labnic_flow *flow);
int labnic_table_remove(const struct labnic_binding *binding, unsigned long cookie);
int labnic_table_stats(const struct labnic_binding *binding, unsigned long cookie, struct flow_stats *stats);
void labnic_table_unbind(struct labnic_binding *binding);
void labnic_table_drop(const struct net_device *dev);
void labnic_table_flush(const struct net_device *in, bool leave_orphans);
void labnic_table_drop_orphans(const struct net_device *in);
void labnic_table_for_each(void (*act)(const struct labnic_flow *flow, void *data), void *data);

/* forward.c */
struct net_device *labnic_forward(struct net_device *in, struct sk_buff *skb);

/* fault.c */
netdev_features_t labnic_fix_features(struct net_device *dev, netdev_features_t features);
int labnic_set_features(struct net_device *dev, netdev_features_t features);

/* ppe.c */
void labnic_ppe_init(void);
void labnic_ppe_exit(void);

#endif
