// SPDX-License-Identifier: GPL-2.0-only
/*
 * labnic's table in the form of MediaTek's packet processing engine (mtk_ppe_debugfs.c, with accounting):
 *   /sys/kernel/debug/ppe0/entries   every entry: BND is forwarded, UNB is not
 *   /sys/kernel/debug/ppe0/bind      those that are BND; an orphan stays BND, as in an engine's memory after a reset
 * ib1 has the real state, type, UDP bit and time of the last packet (seconds); ib2 has no real data. MediaTek's engine
 * cannot translate IPv6 addresses and has no field for them, so only IPv4 has "new=". etype= is in the byte order that
 * MediaTek's driver prints on its little-endian routers.
 *
 * Copyright (c) 2026, the kmod.nft_offload authors
 */
#include <linux/bitfield.h>
#include <linux/debugfs.h>
#include <linux/if_ether.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "labnic.h"

#define IB1_UDP BIT(30)
#define IB1_STATE GENMASK(29, 28)
#define IB1_TYPE GENMASK(27, 25)
#define IB1_TIMESTAMP GENMASK(14, 0)

enum { STATE_UNB = 1, STATE_BND = 2 };
enum { TYPE_IPV4_5T = 0, TYPE_IPV6_5T = 5 };

static struct dentry *root;

static void show_tuple(struct seq_file *m, const struct labnic_tuple *tuple)
{
	const char *form = tuple->family == AF_INET ? "%pI4:%d->%pI4:%d" : "%pI6:%d->%pI6:%d";

	seq_printf(m, form, &tuple->src, ntohs(tuple->sport), &tuple->dst, ntohs(tuple->dport));
}

static void show(struct seq_file *m, const struct labnic_flow *flow)
{
	bool v4 = flow->orig.family == AF_INET;
	u16 etype = flow->pppoe ? ETH_P_PPP_SES : v4 ? ETH_P_IP : ETH_P_IPV6;
	u32 used = READ_ONCE(flow->lastused) / HZ;
	u32 ib1 = FIELD_PREP(IB1_STATE, flow->unbound ? STATE_UNB : STATE_BND) |
		  FIELD_PREP(IB1_TYPE, v4 ? TYPE_IPV4_5T : TYPE_IPV6_5T) |
		  (flow->orig.proto == IPPROTO_UDP ? IB1_UDP : 0) | (used & IB1_TIMESTAMP);

	seq_printf(m, "%05x %s %7s orig=", flow->index, flow->unbound ? "UNB" : "BND", v4 ? "IPv4 5T" : "IPv6 5T");
	show_tuple(m, &flow->orig);
	if (v4) {
		seq_puts(m, " new=");
		show_tuple(m, &flow->new);
	}
	seq_printf(m, " eth=%pM->%pM etype=%04x vlan=%d,%d ib1=%08x ib2=%08x packets=%lld bytes=%lld\n", flow->source,
		   flow->dest, swab16(etype), flow->new.vlan[0], flow->new.vlan[1], ib1, 0,
		   (s64)atomic64_read(&flow->packets), (s64)atomic64_read(&flow->bytes));
}

static void show_any(const struct labnic_flow *flow, void *m)
{
	show(m, flow);
}

static void show_bound(const struct labnic_flow *flow, void *m)
{
	if (!flow->unbound)
		show(m, flow);
}

static int entries_show(struct seq_file *m, void *unused)
{
	labnic_table_for_each(show_any, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(entries);

static int bind_show(struct seq_file *m, void *unused)
{
	labnic_table_for_each(show_bound, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(bind);

void labnic_ppe_init(void)
{
	root = debugfs_create_dir("ppe0", NULL);
	debugfs_create_file("entries", 0444, root, NULL, &entries_fops);
	debugfs_create_file("bind", 0444, root, NULL, &bind_fops);
}

void labnic_ppe_exit(void)
{
	debugfs_remove_recursive(root);
}
