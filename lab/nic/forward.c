// SPDX-License-Identifier: GPL-2.0-only
/*
 * labnic's packets: which of them the NIC forwards, and how it rewrites them. All of it runs in softirq, under RCU.
 *
 * Copyright (c) 2026, the kmod.nft_offload authors
 */
#include <linux/etherdevice.h>
#include <linux/if_pppox.h>
#include <linux/if_vlan.h>
#include <linux/ppp_defs.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#if __has_include(<net/gso.h>)	/* part of linux/skbuff.h up to Linux 6.4 */
#include <net/gso.h>
#endif
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/pkt_cls.h>

#include "labnic.h"

struct packet {
	struct labnic_tuple tuple;
	unsigned int l3, l4;		/* offsets of the IP and of the TCP or UDP header */
};

/* The header at `offset` of a frame, in one piece; NULL when the frame is too short. */
static void *header(struct sk_buff *skb, unsigned int offset, unsigned int size)
{
	return pskb_may_pull(skb, offset + size) ? skb->data + offset : NULL;
}

/* Ethernet, VLAN tags and PPPoE: the protocol that they carry, ETH_P_IP or ETH_P_IPV6; 0 for anything else. */
static __be16 read_l2(struct sk_buff *skb, struct packet *packet)
{
	struct labnic_tuple *tuple = &packet->tuple;
	const struct vlan_hdr *vlan;
	const struct ethhdr *eth;
	const __be16 *ppp;
	__be16 proto;

	eth = header(skb, 0, ETH_HLEN);
	if (!eth || skb_vlan_tag_present(skb))
		return 0;
	proto = eth->h_proto;
	packet->l3 = ETH_HLEN;
	for (; proto == htons(ETH_P_8021Q); packet->l3 += VLAN_HLEN) {
		vlan = header(skb, packet->l3, VLAN_HLEN);
		if (!vlan || tuple->tags == LABNIC_TAGS)
			return 0;
		tuple->vlan[tuple->tags++] = ntohs(vlan->h_vlan_TCI) & VLAN_VID_MASK;
		proto = vlan->h_vlan_encapsulated_proto;
	}
	if (proto == htons(ETH_P_PPP_SES)) {
		ppp = header(skb, packet->l3 + sizeof(struct pppoe_hdr), sizeof(*ppp));
		packet->l3 += PPPOE_SES_HLEN;
		if (ppp && *ppp == htons(PPP_IP))
			return htons(ETH_P_IP);
		if (ppp && *ppp == htons(PPP_IPV6))
			return htons(ETH_P_IPV6);
		return 0;
	}
	return proto;
}

static bool read_l3(struct sk_buff *skb, struct packet *packet, __be16 proto)
{
	struct labnic_tuple *tuple = &packet->tuple;
	const struct ipv6hdr *v6;
	const struct iphdr *v4;

	switch (proto) {
	case htons(ETH_P_IP):
		v4 = header(skb, packet->l3, sizeof(*v4));
		if (!v4 || v4->version != 4 || v4->ihl != 5 || ip_is_fragment(v4) || v4->ttl <= 1)
			return false;
		tuple->family = AF_INET;
		tuple->proto = v4->protocol;
		tuple->src.s6_addr32[0] = v4->saddr;
		tuple->dst.s6_addr32[0] = v4->daddr;
		packet->l4 = packet->l3 + sizeof(*v4);
		return true;
	case htons(ETH_P_IPV6):
		v6 = header(skb, packet->l3, sizeof(*v6));
		if (!v6 || v6->version != 6 || v6->hop_limit <= 1)
			return false;
		tuple->family = AF_INET6;
		tuple->proto = v6->nexthdr;
		tuple->src = v6->saddr;
		tuple->dst = v6->daddr;
		packet->l4 = packet->l3 + sizeof(*v6);
		return true;
	default:
		return false;
	}
}

/* TCP and UDP. The kernel must see the start and the end of a connection. */
static bool read_l4(struct sk_buff *skb, struct packet *packet)
{
	struct labnic_tuple *tuple = &packet->tuple;
	const struct tcphdr *tcp;
	const struct udphdr *udp;

	switch (tuple->proto) {
	case IPPROTO_TCP:
		tcp = header(skb, packet->l4, sizeof(*tcp));
		if (!tcp || tcp->syn || tcp->fin || tcp->rst)
			return false;
		tuple->sport = tcp->source;
		tuple->dport = tcp->dest;
		return true;
	case IPPROTO_UDP:
		udp = header(skb, packet->l4, sizeof(*udp));
		if (!udp)
			return false;
		tuple->sport = udp->source;
		tuple->dport = udp->dest;
		return true;
	default:
		return false;
	}
}

/* Whether the packet may leave without being fragmented */
static bool fits(struct sk_buff *skb, const struct packet *packet, const struct labnic_flow *flow)
{
	unsigned int mtu = READ_ONCE(flow->out->mtu) - (flow->pppoe ? PPPOE_SES_HLEN : 0);

	if (!skb_is_gso(skb))
		return skb->len - packet->l3 <= mtu;
	skb_set_network_header(skb, packet->l3);
	skb_set_transport_header(skb, packet->l4);
	return !flow->pppoe && skb_gso_validate_network_len(skb, mtu);
}

/* Addresses and ports, and the checksum over them; a UDP datagram over IPv4 may come without one. */
static void rewrite_l4(struct sk_buff *skb, const struct packet *packet, const struct labnic_tuple *new)
{
	const struct labnic_tuple *old = &packet->tuple;
	bool udp = old->proto == IPPROTO_UDP;
	void *l4 = skb->data + packet->l4;
	__sum16 *check = udp ? &((struct udphdr *)l4)->check : &((struct tcphdr *)l4)->check;
	__be16 *port = l4;

	if (*check || !udp || skb->ip_summed == CHECKSUM_PARTIAL) {
		if (old->family == AF_INET) {
			inet_proto_csum_replace4(check, skb, old->src.s6_addr32[0], new->src.s6_addr32[0], true);
			inet_proto_csum_replace4(check, skb, old->dst.s6_addr32[0], new->dst.s6_addr32[0], true);
		} else {
			inet_proto_csum_replace16(check, skb, old->src.s6_addr32, new->src.s6_addr32, true);
			inet_proto_csum_replace16(check, skb, old->dst.s6_addr32, new->dst.s6_addr32, true);
		}
		inet_proto_csum_replace2(check, skb, old->sport, new->sport, false);
		inet_proto_csum_replace2(check, skb, old->dport, new->dport, false);
		if (udp && !*check)
			*check = CSUM_MANGLED_0;
	}
	port[0] = new->sport;
	port[1] = new->dport;
}

static void rewrite_l3(struct sk_buff *skb, const struct packet *packet, const struct labnic_tuple *new)
{
	void *l3 = skb->data + packet->l3;

	if (new->family == AF_INET) {
		struct iphdr *v4 = l3;

		csum_replace4(&v4->check, v4->saddr, new->src.s6_addr32[0]);
		csum_replace4(&v4->check, v4->daddr, new->dst.s6_addr32[0]);
		v4->saddr = new->src.s6_addr32[0];
		v4->daddr = new->dst.s6_addr32[0];
		ip_decrease_ttl(v4);
	} else {
		struct ipv6hdr *v6 = l3;

		v6->saddr = new->src;
		v6->daddr = new->dst;
		v6->hop_limit--;
	}
}

/* Replace the frame's header by that of the flow. */
static void rewrite_l2(struct sk_buff *skb, const struct packet *packet, const struct labnic_flow *flow)
{
	bool v4 = flow->new.family == AF_INET;
	__be16 proto = v4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	struct pppoe_hdr *pppoe;
	struct vlan_hdr *vlan;
	struct ethhdr *eth;
	int i;

	__skb_pull(skb, packet->l3);
	if (flow->pppoe) {
		__be16 length = htons(skb->len + sizeof(__be16));

		*(__be16 *)__skb_push(skb, sizeof(__be16)) = v4 ? htons(PPP_IP) : htons(PPP_IPV6);
		pppoe = __skb_push(skb, sizeof(*pppoe));
		pppoe->ver = 1;
		pppoe->type = 1;
		pppoe->code = 0;
		pppoe->sid = htons(flow->session);
		pppoe->length = length;
		proto = htons(ETH_P_PPP_SES);
	}
	for (i = flow->new.tags - 1; i >= 0; i--) {
		vlan = __skb_push(skb, VLAN_HLEN);
		vlan->h_vlan_TCI = htons(flow->new.vlan[i]);
		vlan->h_vlan_encapsulated_proto = proto;
		proto = htons(ETH_P_8021Q);
	}
	eth = __skb_push(skb, ETH_HLEN);
	ether_addr_copy(eth->h_source, flow->source);
	ether_addr_copy(eth->h_dest, flow->dest);
	eth->h_proto = proto;
	skb_reset_mac_header(skb);
	skb->protocol = proto;
}

/* Rewrite what arrives at `in`; the device to send it through, or NULL when the kernel receives it unchanged. */
struct net_device *labnic_forward(struct net_device *in, struct sk_buff *skb)
{
	struct packet packet = {};
	struct labnic_flow *flow;
	unsigned int l2, len = skb->len;

	if (!tc_can_offload(in) || !read_l3(skb, &packet, read_l2(skb, &packet)) || !read_l4(skb, &packet))
		return NULL;
	flow = labnic_table_lookup(in, &packet.tuple);
	if (!flow || flow->unbound || !fits(skb, &packet, flow))
		return NULL;
	l2 = ETH_HLEN + flow->new.tags * VLAN_HLEN + (flow->pppoe ? PPPOE_SES_HLEN : 0);
	if (skb_cow_head(skb, l2 > packet.l3 ? l2 - packet.l3 : 0))
		return NULL;

	rewrite_l4(skb, &packet, &flow->new);
	rewrite_l3(skb, &packet, &flow->new);
	rewrite_l2(skb, &packet, flow);
	if (!labnic_has(in, LABNIC_NO_COUNTERS)) {
		atomic64_inc(&flow->packets);
		atomic64_add(len, &flow->bytes);
	}
	WRITE_ONCE(flow->lastused, jiffies);
	return flow->out;
}
