// SPDX-License-Identifier: GPL-2.0-only
/*
 * labnic's faults, of a NIC and its driver.
 *   echo "lan0 refuse-flows max-flows=3" > /sys/module/labnic/parameters/fault   lan0 has these faults now
 *   echo lan0 > /sys/module/labnic/parameters/fault                              lan0 is healthy again
 *   echo all > /sys/module/labnic/parameters/fault                               every device is
 *   cat /sys/module/labnic/parameters/fault                                      a line per device: name, faults
 * A write sets all faults of the device: those that it does not name are cleared. "all" may be followed by faults too.
 *
 *   refuse-bind    a flowtable with "flags offload" is refused (EOPNOTSUPP)
 *   refuse-flows   it is bound, but each flow that arrives here is refused. On one of two devices: one direction only
 *   one-way        the direction of a connection that is offered first is taken, the other one is refused
 *   max-flows=N    the table takes at most N flows that arrive here (ENOSPC)
 *   share-block    a second flowtable is bound to the device too, as with mtk_eth_soc; EBUSY without it
 *   fake           a flowtable is bound, hw-tc-offload on or off, but no flow is ever taken, as with "flags offload" on a
 *                  NIC without offload and OpenWrt's kernel, and on netdevsim since Linux 7.2
 *   unbound        flows are taken, so conntrack shows [HW_OFFLOAD], but they stay UNB and the kernel forwards them
 *   no-counters    flows are kept alive, but their packets and bytes stay 0, as on chips without MIB counters
 *   fixed-off      hw-tc-offload is off [fixed]
 *   fixed-on       hw-tc-offload is on [fixed]
 *   keep-on        hw-tc-offload cannot be turned off while the device has flows (EINVAL), as with mlx5
 * These happen once, when they are written:
 *   flush          the flows that arrive here are dropped without notice to the kernel, which offers those in use again;
 *                  with refuse-flows they stay [HW_OFFLOAD] in conntrack only
 *   reset          the same, but the table lists them until the device is healed or removed: orphans
 * refuse-bind, share-block and fake apply when a flowtable is bound, not to one that is bound already.
 *
 * Copyright (c) 2026, the kmod.nft_offload authors
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/pkt_cls.h>

#include "labnic.h"

static const char * const words[] = {
	[LABNIC_REFUSE_BIND] = "refuse-bind",
	[LABNIC_REFUSE_FLOWS] = "refuse-flows",
	[LABNIC_ONE_WAY] = "one-way",
	[LABNIC_MAX_FLOWS] = "max-flows",
	[LABNIC_SHARE_BLOCK] = "share-block",
	[LABNIC_FAKE] = "fake",
	[LABNIC_UNBOUND] = "unbound",
	[LABNIC_NO_COUNTERS] = "no-counters",
	[LABNIC_FIXED_OFF] = "fixed-off",
	[LABNIC_FIXED_ON] = "fixed-on",
	[LABNIC_KEEP_ON] = "keep-on",
};

struct request {
	unsigned long faults;
	unsigned int max_flows;
	bool flush, reset;
};

netdev_features_t labnic_fix_features(struct net_device *dev, netdev_features_t features)
{
	if (labnic_has(dev, LABNIC_FIXED_OFF))
		features &= ~NETIF_F_HW_TC;
	if (labnic_has(dev, LABNIC_FIXED_ON))
		features |= NETIF_F_HW_TC;
	return features;
}

/* Turned off, the device drops its flows. dev->features changes only afterwards, so flush the table here. */
int labnic_set_features(struct net_device *dev, netdev_features_t features)
{
	if (features & NETIF_F_HW_TC || !tc_can_offload(dev))
		return 0;
	if (labnic_has(dev, LABNIC_KEEP_ON) && labnic(dev)->flows) {
		netdev_err(dev, "Active offloaded flows, can't turn hw-tc-offload off\n");
		return -EINVAL;
	}
	dev->features &= ~NETIF_F_HW_TC;
	labnic_table_flush(dev, false);
	return 0;
}

static int apply(struct net_device *dev, void *data)
{
	const struct request *request = data;
	struct labnic *nic = labnic(dev);

	nic->max_flows = request->max_flows;
	nic->faults = request->faults;
	if (nic->faults & (BIT(LABNIC_FIXED_OFF) | BIT(LABNIC_FIXED_ON)))
		dev->hw_features &= ~NETIF_F_HW_TC;
	else
		dev->hw_features |= NETIF_F_HW_TC;
	netdev_update_features(dev);
	if (!nic->faults && !request->reset)
		labnic_table_drop_orphans(dev);
	if (request->flush || request->reset)
		labnic_table_flush(dev, request->reset);
	return 0;
}

static int read_word(char *word, struct request *request)
{
	char *number = strchr(word, '=');
	int fault;

	if (!strcmp(word, "flush")) {
		request->flush = true;
		return 0;
	}
	if (!strcmp(word, "reset")) {
		request->reset = true;
		return 0;
	}
	if (number)
		*number++ = 0;
	fault = match_string(words, ARRAY_SIZE(words), word);
	if (fault < 0 || !number != (fault != LABNIC_MAX_FLOWS))
		return -EINVAL;
	request->faults |= BIT(fault);
	return number ? kstrtouint(number, 10, &request->max_flows) : 0;
}

static int fault_set(const char *val, const struct kernel_param *kp)
{
	char *copy = kstrdup(val, GFP_KERNEL), *rest, *name, *word;
	struct request request = {};
	int err = 0;

	if (!copy)
		return -ENOMEM;
	rest = strim(copy);
	name = strsep(&rest, " ");
	while (!err && (word = strsep(&rest, " ")))
		if (*word)
			err = read_word(word, &request);
	if (!err)
		err = labnic_for_each(strcmp(name, "all") ? name : NULL, apply, &request);
	kfree(copy);
	return err;
}

struct listing {
	char *buffer;
	int used;
};

static int list_one(struct net_device *dev, void *data)
{
	struct listing *listing = data;
	size_t fault;

	listing->used += sysfs_emit_at(listing->buffer, listing->used, "%s", dev->name);
	for (fault = 0; fault < ARRAY_SIZE(words); fault++) {
		if (!labnic_has(dev, fault))
			continue;
		listing->used += sysfs_emit_at(listing->buffer, listing->used, " %s", words[fault]);
		if (fault == LABNIC_MAX_FLOWS)
			listing->used += sysfs_emit_at(listing->buffer, listing->used, "=%u", labnic(dev)->max_flows);
	}
	listing->used += sysfs_emit_at(listing->buffer, listing->used, "\n");
	return 0;
}

/* `buffer` is a page of sysfs */
static int fault_get(char *buffer, const struct kernel_param *kp)
{
	struct listing listing = { .buffer = buffer };

	labnic_for_each(NULL, list_one, &listing);
	return listing.used;
}

static const struct kernel_param_ops fault_ops = { .set = fault_set, .get = fault_get };
module_param_cb(fault, &fault_ops, NULL, 0600);
MODULE_PARM_DESC(fault, "a device's name and its faults");
