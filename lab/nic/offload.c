// SPDX-License-Identifier: GPL-2.0-only
/*
 * labnic's side of the kernel's flowtables: binding them, and taking the flows that they offer.
 *
 * The kernel offers each direction of a connection to every device bound to the flowtable. As with mlx5, the one at
 * which its packets arrive takes it, and the others refuse.
 *
 * Copyright (c) 2026, the kmod.nft_offload authors
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/slab.h>
#include <net/netfilter/nf_flow_table.h>
#include <net/pkt_cls.h>

#include "labnic.h"

/* The headers of a packet of the flow, for the kernel's instructions to rewrite them */
struct headers {
	struct ethhdr eth;
	union {
		struct iphdr v4;
		struct ipv6hdr v6;
	};
	__be16 port[2];
};

/*
 * Whether there is a VLAN tag to match. Flowtables say where its key is, but up to Linux 7.2 leave it out of used_keys,
 * where flow_rule_match_key() looks. No key but META is at the start.
 */
static bool has_tag(const struct flow_rule *rule, enum flow_dissector_key_id key)
{
	return rule->match.dissector->offset[key];
}

/* Only flowtables call this, with masks that are always complete. */
static int read_match(const struct net_device *in, struct flow_rule *rule, struct labnic_tuple *tuple)
{
	/* wider than the field that it is compared with, which has 32 bits up to Linux 6.5 */
	u64 known = BIT_ULL(FLOW_DISSECTOR_KEY_META) | BIT_ULL(FLOW_DISSECTOR_KEY_CONTROL) |
		    BIT_ULL(FLOW_DISSECTOR_KEY_BASIC) | BIT_ULL(FLOW_DISSECTOR_KEY_IPV4_ADDRS) |
		    BIT_ULL(FLOW_DISSECTOR_KEY_IPV6_ADDRS) | BIT_ULL(FLOW_DISSECTOR_KEY_TCP) |
		    BIT_ULL(FLOW_DISSECTOR_KEY_PORTS) | BIT_ULL(FLOW_DISSECTOR_KEY_VLAN) |
		    BIT_ULL(FLOW_DISSECTOR_KEY_CVLAN);
	struct flow_match_control control;
	struct flow_match_ipv4_addrs v4;
	struct flow_match_ipv6_addrs v6;
	struct flow_match_ports ports;
	struct flow_match_basic basic;
	struct flow_match_vlan vlan;
	struct flow_match_meta meta;

	if ((rule->match.dissector->used_keys & ~known) ||
	    !flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_META) ||
	    !flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_CONTROL) ||
	    !flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_BASIC) ||
	    !flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_PORTS))
		return -EOPNOTSUPP;

	flow_rule_match_meta(rule, &meta);
	flow_rule_match_control(rule, &control);
	if (meta.key->ingress_ifindex != in->ifindex || control.mask->flags)
		return -EOPNOTSUPP;

	flow_rule_match_basic(rule, &basic);
	tuple->proto = basic.key->ip_proto;
	if (tuple->proto != IPPROTO_TCP && tuple->proto != IPPROTO_UDP)
		return -EOPNOTSUPP;
	flow_rule_match_ports(rule, &ports);
	tuple->sport = ports.key->src;
	tuple->dport = ports.key->dst;

	switch (control.key->addr_type) {
	case FLOW_DISSECTOR_KEY_IPV4_ADDRS:
		flow_rule_match_ipv4_addrs(rule, &v4);
		tuple->family = AF_INET;
		tuple->src.s6_addr32[0] = v4.key->src;
		tuple->dst.s6_addr32[0] = v4.key->dst;
		break;
	case FLOW_DISSECTOR_KEY_IPV6_ADDRS:
		flow_rule_match_ipv6_addrs(rule, &v6);
		tuple->family = AF_INET6;
		tuple->src = v6.key->src;
		tuple->dst = v6.key->dst;
		break;
	default:
		return -EOPNOTSUPP;
	}

	if (has_tag(rule, FLOW_DISSECTOR_KEY_VLAN)) {
		flow_rule_match_vlan(rule, &vlan);
		if (vlan.key->vlan_tpid != htons(ETH_P_8021Q))
			return -EOPNOTSUPP;
		tuple->vlan[tuple->tags++] = vlan.key->vlan_id;
	}
	if (has_tag(rule, FLOW_DISSECTOR_KEY_CVLAN)) {
		flow_rule_match_cvlan(rule, &vlan);
		if (vlan.key->vlan_tpid != htons(ETH_P_8021Q))
			return -EOPNOTSUPP;
		tuple->vlan[tuple->tags++] = vlan.key->vlan_id;
	}
	return 0;
}

/* The start and the size of the header that an instruction's offset refers to */
static void *mangled_header(struct headers *headers, enum flow_action_mangle_base type, size_t *size)
{
	switch (type) {
	case FLOW_ACT_MANGLE_HDR_TYPE_ETH:
		*size = sizeof(headers->eth);
		return &headers->eth;
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
		*size = sizeof(headers->v4);
		return &headers->v4;
	case FLOW_ACT_MANGLE_HDR_TYPE_IP6:
		*size = sizeof(headers->v6);
		return &headers->v6;
	case FLOW_ACT_MANGLE_HDR_TYPE_TCP:
	case FLOW_ACT_MANGLE_HDR_TYPE_UDP:
		*size = sizeof(headers->port);
		return headers->port;
	default:
		return NULL;
	}
}

/* Rewrite four bytes; bits under the mask stay. */
static int mangle(struct headers *headers, const struct flow_action_entry *act)
{
	size_t size;
	u8 *header = mangled_header(headers, act->mangle.htype, &size);
	u32 word;

	if (!header || act->mangle.offset + sizeof(word) > size)
		return -EOPNOTSUPP;
	memcpy(&word, header + act->mangle.offset, sizeof(word));
	word = (word & act->mangle.mask) | (act->mangle.val & ~act->mangle.mask);
	memcpy(header + act->mangle.offset, &word, sizeof(word));
	return 0;
}

static int read_actions(struct flow_rule *rule, struct headers *headers, struct labnic_flow *flow)
{
	const struct flow_action_entry *act;
	unsigned int popped = 0;
	int i, err;

	flow_action_for_each(i, act, &rule->action) {
		switch (act->id) {
		case FLOW_ACTION_MANGLE:
			err = mangle(headers, act);
			if (err)
				return err;
			break;
		case FLOW_ACTION_CSUM:
			break;
		case FLOW_ACTION_REDIRECT:
			flow->out = act->dev;
			break;
		case FLOW_ACTION_VLAN_POP:
			popped++;
			break;
		case FLOW_ACTION_VLAN_PUSH:	/* in the order of the wire */
			if (flow->new.tags == LABNIC_TAGS || act->vlan.proto != htons(ETH_P_8021Q))
				return -EOPNOTSUPP;
			flow->new.vlan[flow->new.tags++] = act->vlan.vid;
			break;
		case FLOW_ACTION_PPPOE_PUSH:
			flow->pppoe = true;
			flow->session = act->pppoe.sid;
			break;
		default:
			return -EOPNOTSUPP;
		}
	}
	return flow->out && labnic_is(flow->out) && popped == flow->orig.tags ? 0 : -EOPNOTSUPP;
}

/* Addresses and ports of the tuple, to headers and back */
static void put_tuple(struct headers *headers, const struct labnic_tuple *tuple)
{
	if (tuple->family == AF_INET) {
		headers->v4.saddr = tuple->src.s6_addr32[0];
		headers->v4.daddr = tuple->dst.s6_addr32[0];
	} else {
		headers->v6.saddr = tuple->src;
		headers->v6.daddr = tuple->dst;
	}
	headers->port[0] = tuple->sport;
	headers->port[1] = tuple->dport;
}

static void get_tuple(const struct headers *headers, struct labnic_tuple *tuple)
{
	if (tuple->family == AF_INET) {
		tuple->src.s6_addr32[0] = headers->v4.saddr;
		tuple->dst.s6_addr32[0] = headers->v4.daddr;
	} else {
		tuple->src = headers->v6.saddr;
		tuple->dst = headers->v6.daddr;
	}
	tuple->sport = headers->port[0];
	tuple->dport = headers->port[1];
}

static int flow_replace(struct labnic_binding *binding, struct flow_cls_offload *offer)
{
	struct net_device *in = binding->dev;
	struct headers headers = {};
	struct labnic_flow *flow;
	int err;

	if (labnic_has(in, LABNIC_REFUSE_FLOWS))
		return -EOPNOTSUPP;
	flow = kzalloc(sizeof(*flow), GFP_KERNEL);
	if (!flow)
		return -ENOMEM;
	flow->binding = binding;
	flow->cookie = offer->cookie;
	flow->in = in;
	flow->unbound = labnic_has(in, LABNIC_UNBOUND);
	flow->lastused = jiffies;

	err = read_match(in, offer->rule, &flow->orig);
	if (err)
		goto free;
	flow->new.family = flow->orig.family;
	flow->new.proto = flow->orig.proto;
	put_tuple(&headers, &flow->orig);
	err = read_actions(offer->rule, &headers, flow);
	if (err)
		goto free;
	get_tuple(&headers, &flow->new);
	ether_addr_copy(flow->source, headers.eth.h_source);
	ether_addr_copy(flow->dest, headers.eth.h_dest);
	err = -EINVAL;
	if (!is_valid_ether_addr(flow->source) || !is_valid_ether_addr(flow->dest))
		goto free;
	err = labnic_table_add(flow);
	if (!err)
		return 0;
free:
	kfree(flow);
	return err;
}

/* Take a flow, remove one, or report its counters. The kernel calls this from its offload workqueues. */
static int labnic_cls(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	struct labnic_binding *binding = cb_priv;
	struct flow_cls_offload *offer = type_data;

	if (type != TC_SETUP_CLSFLOWER)
		return -EOPNOTSUPP;
	switch (offer->command) {
	case FLOW_CLS_REPLACE:
		return flow_replace(binding, offer);
	case FLOW_CLS_DESTROY:
		return labnic_table_remove(binding, offer->cookie);
	case FLOW_CLS_STATS:
		return labnic_table_stats(binding, offer->cookie, &offer->stats);
	default:
		return -EOPNOTSUPP;
	}
}

static void free_binding(void *binding)
{
	kfree(binding);
}

static int bind_block(struct net_device *dev, struct flow_block_offload *block)
{
	struct labnic *nic = labnic(dev);
	struct labnic_binding *binding;
	struct flow_block_cb *cb;

	if (labnic_has(dev, LABNIC_FAKE))
		return 0;
	if (labnic_has(dev, LABNIC_REFUSE_BIND) || !tc_can_offload(dev))
		return -EOPNOTSUPP;
	if (!labnic_has(dev, LABNIC_SHARE_BLOCK) && flow_block_cb_is_busy(labnic_cls, dev, &nic->blocks))
		return -EBUSY;
	binding = kzalloc(sizeof(*binding), GFP_KERNEL);
	if (!binding)
		return -ENOMEM;
	binding->dev = dev;
	cb = flow_block_cb_alloc(labnic_cls, dev, binding, free_binding);
	if (IS_ERR(cb)) {
		kfree(binding);
		return PTR_ERR(cb);
	}
	flow_block_cb_add(cb, block);
	list_add_tail(&cb->driver_list, &nic->blocks);
	return 0;
}

/*
 * Whether no offload worker is in labnic_cls(), which they enter with this lock held for reading. Linux holds it for
 * writing when it binds and unbinds, since 6.1 (bcd9e3c1656d), and once more when it frees the binding, so that nothing
 * uses the binding any more.
 */
static bool workers_are_out(const struct flow_block_offload *block)
{
	struct nf_flowtable *flowtable = container_of(block->block, struct nf_flowtable, flow_block);

	if (!down_read_trylock(&flowtable->flow_block_lock))
		return true;
	up_read(&flowtable->flow_block_lock);
	return false;
}

static int unbind_block(struct net_device *dev, struct flow_block_offload *block)
{
	struct flow_block_cb *cb = flow_block_cb_lookup(block->block, labnic_cls, dev);

	if (!cb)
		return labnic_has(dev, LABNIC_FAKE) ? 0 : -ENOENT;
	WARN_ON_ONCE(!workers_are_out(block));
	labnic_table_unbind(cb->cb_priv);
	flow_block_cb_remove(cb, block);
	list_del(&cb->driver_list);
	return 0;
}

/* Bind or unbind a flowtable. Unbinding also works with the feature off, or the device could never be removed. */
int labnic_setup_tc(struct net_device *dev, enum tc_setup_type type, void *type_data)
{
	struct flow_block_offload *block = type_data;

	if (type != TC_SETUP_FT || block->binder_type != FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS)
		return -EOPNOTSUPP;
	block->driver_block_list = &labnic(dev)->blocks;
	switch (block->command) {
	case FLOW_BLOCK_BIND:
		return bind_block(dev, block);
	case FLOW_BLOCK_UNBIND:
		return unbind_block(dev, block);
	default:
		return -EOPNOTSUPP;
	}
}
