// SPDX-License-Identifier: GPL-2.0-only
/*
 * labnic: a STAND-IN for a NIC with flow offload, for the lab's routers.
 *
 * Devices come in pairs, as with veth: what one end sends, the other receives.
 *   echo "lan0 lan0p" > /sys/module/labnic/parameters/add      plug in a pair
 *   echo lan0 > /sys/module/labnic/parameters/remove           pull it out, either end's name
 *   echo "lan0 refuse-flows" > /sys/module/labnic/parameters/fault   set faults, see fault.c
 *
 * What is real: hw-tc-offload can be switched (it starts off); a flowtable with "flags offload" can be bound while it
 * is on, and is refused with EOPNOTSUPP while it is off; a second bind of the same device fails with EBUSY, as with
 * mlx5.
 * A flow that the kernel offers goes into the table at the device where it arrives, if it leaves through a labnic too.
 * From then on the driver forwards it: it rewrites addresses, ports, MAC addresses, VLAN tags, PPPoE, TTL and
 * checksums, and puts the packet on the other cable before the kernel receives it: no hook, capture or qdisc of the
 * router sees it. As with hardware, the kernel still gets packets without an entry in the table, TCP segments with SYN,
 * FIN or RST, fragments, IPv4 options, IPv6 extension headers, an expiring TTL, and packets larger than the MTU of the
 * other device.
 * The kernel gets the counters of flows, so that they live as long as they are used; the counters of the devices
 * include all packets. /sys/kernel/debug/ppe0 shows the table as MediaTek's packet engine does, see ppe.c. A flow
 * leaves the table with its flowtable, its device, its device's link, and its device's hw-tc-offload.
 *
 * What it leaves out: it is no faster than the kernel, because it runs on the same CPU. A large packet that is still to
 * be segmented is forwarded and counted as one, as in the kernel; where PPPoE must be added, the kernel gets it.
 * PPPoE sessions are not distinguished on arrival. A flow whose real exit is no labnic (a bridge, a bond, a tunnel) is
 * refused. There are no ports behind one switch (DSA), and entries are bound at once, while MediaTek's wait for some
 * packets.
 *
 * The same source builds for Linux 6.1 to 7.2; differences between them are marked with "up to" or "since".
 *
 * Copyright (c) 2026, the kmod.nft_offload authors
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/rtnetlink.h>

#include "labnic.h"

#define HOPS 8			/* most NICs that forward a packet in a row, before the kernel gets it */

struct labnic_pair {
	struct list_head list;
	struct net_device *end[2];
	struct platform_device *slot;	/* gives /sys/class/net/X/device, as a NIC on a bus has */
};

static LIST_HEAD(pairs);		/* protected by pairs_lock */
static DEFINE_MUTEX(pairs_lock);	/* outside of rtnl */

static void count_carried(struct net_device *from, struct net_device *to, unsigned int len)
{
	DEV_STATS_INC(from, tx_packets);
	DEV_STATS_ADD(from, tx_bytes, len);
	DEV_STATS_INC(to, rx_packets);
	DEV_STATS_ADD(to, rx_bytes, len);
}

/* The other end receives. It forwards flows of its table at once, so a packet may go through several NICs. */
static netdev_tx_t labnic_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct net_device *peer, *out;
	unsigned int len;
	int hops;

	skb_tx_timestamp(skb);
	rcu_read_lock();
	for (hops = 0; hops < HOPS; hops++) {
		peer = labnic(dev)->peer;
		len = skb->len;
		out = labnic_forward(peer, skb);
		if (!out)
			break;
		count_carried(dev, peer, len);
		dev = out;
	}
	peer = labnic(dev)->peer;
	len = skb->len;
	if (dev_forward_skb(peer, skb) == NET_RX_SUCCESS)
		count_carried(dev, peer, len);
	else
		DEV_STATS_INC(dev, tx_dropped);
	rcu_read_unlock();
	return NETDEV_TX_OK;
}

/* The link is up while both ends are. */
static int labnic_open(struct net_device *dev)
{
	struct net_device *peer = labnic(dev)->peer;

	netif_start_queue(dev);
	if (peer->flags & IFF_UP) {
		netif_carrier_on(dev);
		netif_carrier_on(peer);
	}
	return 0;
}

/* Flows enter the table only while both of their devices run, so after this the table has none of this device. */
static int labnic_stop(struct net_device *dev)
{
	struct net_device *peer = labnic(dev)->peer;

	netif_stop_queue(dev);
	netif_carrier_off(dev);
	netif_carrier_off(peer);
	labnic_table_drop(dev);
	return 0;
}

static void labnic_uninit(struct net_device *dev)
{
	labnic_table_drop_orphans(dev);
}

static const struct net_device_ops labnic_ops = {
	.ndo_uninit = labnic_uninit,
	.ndo_open = labnic_open,
	.ndo_stop = labnic_stop,
	.ndo_start_xmit = labnic_xmit,
	.ndo_setup_tc = labnic_setup_tc,
	.ndo_fix_features = labnic_fix_features,
	.ndo_set_features = labnic_set_features,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

bool labnic_is(const struct net_device *dev)
{
	return dev->netdev_ops == &labnic_ops;
}

static void labnic_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "labnic", sizeof(info->driver));
	strscpy(info->bus_info, dev_name(dev->dev.parent), sizeof(info->bus_info));
}

static const struct ethtool_ops labnic_ethtool_ops = {
	.get_drvinfo = labnic_drvinfo,
	.get_link = ethtool_op_get_link,
};

static void labnic_setup(struct net_device *dev)
{
	ether_setup(dev);
	eth_hw_addr_random(dev);
	dev->netdev_ops = &labnic_ops;
	dev->ethtool_ops = &labnic_ethtool_ops;
	dev->needs_free_netdev = true;
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
	dev->max_mtu = ETH_MAX_MTU;
	dev->features = NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HW_CSUM | NETIF_F_GSO_SOFTWARE | NETIF_F_HIGHDMA;
	dev->hw_features = dev->features | NETIF_F_HW_TC;
}

/* Unregistering makes nf_tables unbind whatever is bound here, while the driver still answers. */
static void labnic_unplug(struct labnic_pair *pair)
{
	LIST_HEAD(gone);

	rtnl_lock();
	unregister_netdevice_queue(pair->end[0], &gone);
	unregister_netdevice_queue(pair->end[1], &gone);
	unregister_netdevice_many(&gone);
	rtnl_unlock();
	platform_device_unregister(pair->slot);
	list_del(&pair->list);
	kfree(pair);
}

static int labnic_plug(const char *name[2])
{
	struct labnic_pair *pair = kzalloc(sizeof(*pair), GFP_KERNEL);
	int i, err;

	if (!pair)
		return -ENOMEM;
	pair->slot = platform_device_register_simple("labnic", PLATFORM_DEVID_AUTO, NULL, 0);
	if (IS_ERR(pair->slot)) {
		err = PTR_ERR(pair->slot);
		goto free_pair;
	}
	err = -ENOMEM;
	for (i = 0; i < 2; i++) {
		pair->end[i] = alloc_netdev(sizeof(struct labnic), name[i], NET_NAME_USER, labnic_setup);
		if (!pair->end[i])
			goto free_ends;
		SET_NETDEV_DEV(pair->end[i], &pair->slot->dev);
		INIT_LIST_HEAD(&labnic(pair->end[i])->blocks);
	}
	for (i = 0; i < 2; i++)
		labnic(pair->end[i])->peer = pair->end[!i];

	rtnl_lock();
	err = register_netdevice(pair->end[0]);
	if (!err) {
		err = register_netdevice(pair->end[1]);
		if (err) {
			unregister_netdevice(pair->end[0]);	/* frees it, at rtnl_unlock() */
			pair->end[0] = NULL;
		} else {
			netif_carrier_off(pair->end[0]);
			netif_carrier_off(pair->end[1]);
		}
	}
	rtnl_unlock();
	if (err)
		goto free_ends;
	list_add(&pair->list, &pairs);
	return 0;

free_ends:
	for (i = 0; i < 2; i++)
		if (pair->end[i])
			free_netdev(pair->end[i]);
	platform_device_unregister(pair->slot);
free_pair:
	kfree(pair);
	return err;
}

/* Call `act`, under rtnl, for the device of that name, or for all (name NULL). ENODEV when there is none. */
int labnic_for_each(const char *name, int (*act)(struct net_device *dev, void *data), void *data)
{
	struct labnic_pair *pair;
	int i, err = name ? -ENODEV : 0;

	mutex_lock(&pairs_lock);
	rtnl_lock();
	list_for_each_entry(pair, &pairs, list)
		for (i = 0; i < 2; i++)
			if (!name || !strcmp(pair->end[i]->name, name))
				err = act(pair->end[i], data);
	rtnl_unlock();
	mutex_unlock(&pairs_lock);
	return err;
}

static int labnic_add(const char *val, const struct kernel_param *kp)
{
	char buf[2][IFNAMSIZ];
	const char *name[2] = { buf[0], buf[1] };
	int err;

	if (sscanf(val, "%15s %15s", buf[0], buf[1]) != 2)
		return -EINVAL;
	mutex_lock(&pairs_lock);
	err = labnic_plug(name);
	mutex_unlock(&pairs_lock);
	return err;
}

static int labnic_remove(const char *val, const struct kernel_param *kp)
{
	struct labnic_pair *pair;
	char name[IFNAMSIZ];
	int err = -ENODEV;

	if (sscanf(val, "%15s", name) != 1)
		return -EINVAL;
	mutex_lock(&pairs_lock);
	list_for_each_entry(pair, &pairs, list) {
		if (!strcmp(pair->end[0]->name, name) || !strcmp(pair->end[1]->name, name)) {
			labnic_unplug(pair);
			err = 0;
			break;
		}
	}
	mutex_unlock(&pairs_lock);
	return err;
}

static const struct kernel_param_ops add_ops = { .set = labnic_add };
static const struct kernel_param_ops remove_ops = { .set = labnic_remove };
module_param_cb(add, &add_ops, NULL, 0200);
MODULE_PARM_DESC(add, "names of the two ends of a new pair");
module_param_cb(remove, &remove_ops, NULL, 0200);
MODULE_PARM_DESC(remove, "name of either end of the pair to remove");

static struct platform_driver labnic_driver = {
	.driver.name = "labnic",
};

static int __init labnic_init(void)
{
	int err = platform_driver_register(&labnic_driver);

	if (!err)
		labnic_ppe_init();
	return err;
}

static void __exit labnic_exit(void)
{
	struct labnic_pair *pair, *next;

	mutex_lock(&pairs_lock);
	list_for_each_entry_safe(pair, next, &pairs, list)
		labnic_unplug(pair);
	mutex_unlock(&pairs_lock);
	labnic_ppe_exit();
	platform_driver_unregister(&labnic_driver);
}

module_init(labnic_init);
module_exit(labnic_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("stand-in for a NIC with flow offload");
