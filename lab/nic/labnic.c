// SPDX-License-Identifier: GPL-2.0
/*
 * labnic: a STAND-IN for a NIC with flow offload, for the lab's routers.
 *
 * What is real: hw-tc-offload can be switched (it starts off), a flowtable with "flags offload" can be bound while it is
 * on and is refused with EOPNOTSUPP while it is off, a second bind of the same device meets EBUSY (as with mlx5
 * and whatever else is built on flow_block_cb_setup_simple), and each flow that the kernel hands over is taken, so the
 * kernel marks the connection [HW_OFFLOAD].
 * What it leaves out: it forwards nothing by itself, counts nothing per flow and has no table of its own to read: the
 * packets of a taken flow still walk the software flowtable. Nor does it ever run out of room or refuse a flow's shape.
 *
 * Devices come in pairs, as with veth: what one end sends, the other receives.
 *   echo "lan0 lan0p" > /sys/module/labnic/parameters/add      plug in a pair
 *   echo lan0 > /sys/module/labnic/parameters/remove           pull it out, either end's name
 *
 * Copyright (c) 2026, the kmod.nft_offload authors
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/platform_device.h>
#include <linux/rtnetlink.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

struct labnic {
	struct net_device *peer;
	struct list_head blocks;	/* flowtables bound to this end */
};

struct labnic_pair {
	struct list_head list;
	struct net_device *end[2];
	struct platform_device *slot;	/* gives /sys/class/net/X/device, as a NIC on a bus has */
};

static LIST_HEAD(pairs);		/* protected by pairs_lock */
static DEFINE_MUTEX(pairs_lock);

/* A flow arrives, leaves, or is asked for its counters. The kernel calls this from its offload workqueues. */
static int labnic_flow(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	struct flow_cls_offload *flow = type_data;

	if (type != TC_SETUP_CLSFLOWER || !tc_can_offload(cb_priv))
		return -EOPNOTSUPP;

	switch (flow->command) {
	case FLOW_CLS_REPLACE:
	case FLOW_CLS_DESTROY:
	case FLOW_CLS_STATS:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* A flowtable is bound or unbound. Unbinding works with the feature off too, or the device could never leave. */
static int labnic_setup_tc(struct net_device *dev, enum tc_setup_type type, void *type_data)
{
	struct labnic *nic = netdev_priv(dev);
	struct flow_block_offload *block = type_data;

	if (type != TC_SETUP_FT)
		return -EOPNOTSUPP;
	if (block->command == FLOW_BLOCK_BIND && !tc_can_offload(dev))
		return -EOPNOTSUPP;
	return flow_block_cb_setup_simple(block, &nic->blocks, labnic_flow, dev, dev, true);
}

static netdev_tx_t labnic_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct net_device *peer = ((struct labnic *)netdev_priv(dev))->peer;
	unsigned int len = skb->len;

	skb_tx_timestamp(skb);
	if (dev_forward_skb(peer, skb) == NET_RX_SUCCESS) {
		DEV_STATS_INC(dev, tx_packets);
		DEV_STATS_ADD(dev, tx_bytes, len);
		DEV_STATS_INC(peer, rx_packets);
		DEV_STATS_ADD(peer, rx_bytes, len);
	} else {
		DEV_STATS_INC(dev, tx_dropped);
	}
	return NETDEV_TX_OK;
}

/* The link is up while both ends are. */
static int labnic_open(struct net_device *dev)
{
	struct net_device *peer = ((struct labnic *)netdev_priv(dev))->peer;

	netif_start_queue(dev);
	if (peer->flags & IFF_UP) {
		netif_carrier_on(dev);
		netif_carrier_on(peer);
	}
	return 0;
}

static int labnic_stop(struct net_device *dev)
{
	struct net_device *peer = ((struct labnic *)netdev_priv(dev))->peer;

	netif_stop_queue(dev);
	netif_carrier_off(dev);
	netif_carrier_off(peer);
	return 0;
}

static const struct net_device_ops labnic_ops = {
	.ndo_open = labnic_open,
	.ndo_stop = labnic_stop,
	.ndo_start_xmit = labnic_xmit,
	.ndo_setup_tc = labnic_setup_tc,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

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
		INIT_LIST_HEAD(&((struct labnic *)netdev_priv(pair->end[i]))->blocks);
	}
	for (i = 0; i < 2; i++)
		((struct labnic *)netdev_priv(pair->end[i]))->peer = pair->end[!i];

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
	return platform_driver_register(&labnic_driver);
}

static void __exit labnic_exit(void)
{
	struct labnic_pair *pair, *next;

	mutex_lock(&pairs_lock);
	list_for_each_entry_safe(pair, next, &pairs, list)
		labnic_unplug(pair);
	mutex_unlock(&pairs_lock);
	platform_driver_unregister(&labnic_driver);
}

module_init(labnic_init);
module_exit(labnic_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("stand-in for a NIC with flow offload");
